//! A session of the Secret Service in which secrets cross the bus encrypted (the specification, "Transfer of
//! Secrets").
//!
//! The bus is a local socket, and whoever may listen there may ask the keychain as well. But a trace of the
//! bus that somebody attaches to a report, the memory of the daemon in between, and a bus that is forwarded
//! to another computer hold what crosses it. libsecret encrypts too, so an administrator who looks at a bus
//! sees no difference.
//!
//! The crate secret-service agrees on a key by the same rule, and takes 6 ms of each process for it: its
//! exponent is as long as the prime, and each of its steps a long division. That was a third of all that git
//! waited for.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use hkdf::Hkdf;
use num_bigint::BigUint;
use secrecy::zeroize::Zeroizing;
use secret_service::Error;
use sha2::Sha256;
use zbus::blocking::Connection;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

/// The name of the service on the bus.
pub(super) const NAME: &str = "org.freedesktop.secrets";
/// The service's own object.
pub(super) const PATH: &str = "/org/freedesktop/secrets";

/// Diffie-Hellman in [`PRIME`], HKDF with SHA-256, AES-128 in CBC mode with PKCS#7 padding.
const ALGORITHM: &str = "dh-ietf1024-sha256-aes128-cbc-pkcs7";

/// The prime of the Second Oakley Group (RFC 2409, section 6.2), whose generator is 2.
const PRIME: [u8; 128] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x0f, 0xda, 0xa2, 0x21, 0x68, 0xc2, 0x34,
    0xc4, 0xc6, 0x62, 0x8b, 0x80, 0xdc, 0x1c, 0xd1, 0x29, 0x02, 0x4e, 0x08, 0x8a, 0x67, 0xcc, 0x74,
    0x02, 0x0b, 0xbe, 0xa6, 0x3b, 0x13, 0x9b, 0x22, 0x51, 0x4a, 0x08, 0x79, 0x8e, 0x34, 0x04, 0xdd,
    0xef, 0x95, 0x19, 0xb3, 0xcd, 0x3a, 0x43, 0x1b, 0x30, 0x2b, 0x0a, 0x6d, 0xf2, 0x5f, 0x14, 0x37,
    0x4f, 0xe1, 0x35, 0x6d, 0x6d, 0x51, 0xc2, 0x45, 0xe4, 0x85, 0xb5, 0x76, 0x62, 0x5e, 0x7e, 0xc6,
    0xf4, 0x4c, 0x42, 0xe9, 0xa6, 0x37, 0xed, 0x6b, 0x0b, 0xff, 0x5c, 0xb6, 0xf4, 0x06, 0xb7, 0xed,
    0xee, 0x38, 0x6b, 0xfb, 0x5a, 0x89, 0x9f, 0xa5, 0xae, 0x9f, 0x24, 0x11, 0x7c, 0x4b, 0x1f, 0xe6,
    0x49, 0x28, 0x66, 0x51, 0xec, 0xe6, 0x53, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

/// Bytes of our exponent. The group itself is worth some 80 bits, and an exponent of twice as many bits loses
/// nothing of them, since half the prime is a prime too (RFC 3526, section 8, and RFC 7919, section 5.2, say
/// the same of larger groups).
const EXPONENT: usize = 32;

type Key = Zeroizing<[u8; 16]>;

/// What a service answers with a secret in it: the session, the initialization vector, the secret encrypted,
/// its content type.
type Sealed = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

/// A session that was opened on a connection, and ends with it.
pub(super) struct Session {
    path: OwnedObjectPath,
    key: Key,
}

impl Session {
    /// Agrees on a key with the service.
    ///
    /// # Errors
    /// The service failed, or what it sent is no public key.
    pub(super) fn open(connection: &Connection) -> Result<Self, Error> {
        let secret = Secret::random();
        let body = (ALGORITHM, Value::from(secret.public()));
        let interface = Some("org.freedesktop.Secret.Service");
        let reply = connection.call_method(Some(NAME), PATH, interface, "OpenSession", &body)?;
        let (theirs, path): (OwnedValue, OwnedObjectPath) = reply.body().deserialize()?;
        let theirs: Vec<u8> = theirs.try_into()?;
        let key = secret.agree(&theirs).ok_or(Error::Crypto("the service sent no public key"))?;
        Ok(Self { path, key })
    }

    /// The secret of an item.
    ///
    /// # Errors
    /// The service failed, or what it sent was not encrypted with the key.
    pub(super) fn secret(
        &self,
        connection: &Connection,
        item: &ObjectPath<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let interface = Some("org.freedesktop.Secret.Item");
        let reply =
            connection.call_method(Some(NAME), item, interface, "GetSecret", &(&self.path,))?;
        let (_, vector, sealed, _): Sealed = reply.body().deserialize()?;
        decrypt(&self.key, &vector, &sealed).ok_or(Error::Crypto("the secret can't be decrypted"))
    }
}

/// Our half of a key.
struct Secret(BigUint);

impl Secret {
    fn random() -> Self {
        let mut bytes = Zeroizing::new([0; EXPONENT]);
        getrandom::fill(&mut *bytes).expect("a running system has random numbers");
        Self::from(&bytes)
    }

    fn from(bytes: &[u8; EXPONENT]) -> Self {
        Self(BigUint::from_bytes_be(bytes))
    }

    /// What the service may know.
    fn public(&self) -> Vec<u8> {
        BigUint::from(2_u8).modpow(&self.0, &BigUint::from_bytes_be(&PRIME)).to_bytes_be()
    }

    /// The key that only this half and the one behind `theirs` lead to. `None` if `theirs` is no public key,
    /// or one that leads to a key that everybody knows (RFC 2631, section 2.1.5).
    fn agree(&self, theirs: &[u8]) -> Option<Key> {
        let prime = BigUint::from_bytes_be(&PRIME);
        let theirs = BigUint::from_bytes_be(theirs);
        if theirs < BigUint::from(2_u8) || theirs > &prime - 2_u8 {
            return None;
        }
        let shared = Zeroizing::new(theirs.modpow(&self.0, &prime).to_bytes_be());
        // As long as the prime, whatever its value.
        let mut padded = Zeroizing::new([0; PRIME.len()]);
        padded[PRIME.len() - shared.len()..].copy_from_slice(&shared);
        let mut key = Key::default();
        Hkdf::<Sha256>::new(None, &*padded)
            .expand(&[], &mut *key)
            .expect("SHA-256 gives 255 times 32 bytes");
        Some(key)
    }
}

fn decrypt(key: &Key, vector: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = cbc::Decryptor::<Aes128>::new_from_slices(&**key, vector).ok()?;
    cipher.decrypt_padded_vec::<Pkcs7>(sealed).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "457120764f3a1e6fd58103e41a4093a6c8bc1d97cb8759de41c21afdd2d3048a5ef3d88ce24aa6ba4fe30bcfb0b0f75abf1a8aeaff3723f1bf53740c902005e1199fabad7c538e94a7034fd585339a02f3634893f748929d2a7257643e398130541ae64124c17d4507a97f1cbebeb7b933642b8df479eb59e36cfeffbf1671dd";
    /// With [`ours`] it leads to a number whose first byte is 0.
    const THEIRS: &str = "ba5230952eb4c473c7a07d9403e4cc7453cbecd68edd6f6963e2ed58119be65519093930792f85747570ef29c0dfca063ba6cf06a3185b3c8c45b58372b8db20588af7440e5fccd14ca8ae401202875eb0ad47b803293fc9869b417e56389d2c6a11fe0d40bc4fa653c8367235137d584cc4637ea575f42a235caa28eb17e05b";

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits = |at: usize| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
        (0..hexadecimal.len()).step_by(2).map(digits).collect()
    }

    fn ours() -> Secret {
        let mut bytes = [0; EXPONENT];
        bytes.iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
        Secret::from(&bytes)
    }

    /// The values are of Python's `pow` and `hmac`, and of `openssl enc -aes-128-cbc`.
    #[test]
    fn others_come_to_the_same_key_and_text() {
        assert_eq!(ours().public(), bytes(OURS));
        let key = ours().agree(&bytes(THEIRS)).unwrap();
        assert_eq!(*key, *bytes("11d076a64e394bd0f714665599078182"));
        let vector: Vec<u8> = (0..16).collect();
        let sealed = bytes("87b0bfcff6fd6ac2708c2a046cfdc34e");
        assert_eq!(*decrypt(&key, &vector, &sealed).unwrap(), br#"{"version":1}"#);
    }

    #[test]
    fn both_sides_come_to_one_key_that_no_third_one_has() {
        let (ours, theirs) = (Secret::random(), Secret::random());
        let key = ours.agree(&theirs.public()).unwrap();
        assert_eq!(key, theirs.agree(&ours.public()).unwrap());
        assert_ne!(key, ours.agree(&Secret::random().public()).unwrap());
    }

    #[test]
    fn what_is_no_public_key_leads_to_none() {
        let prime = BigUint::from_bytes_be(&PRIME);
        for (theirs, is_key) in [
            (BigUint::ZERO, false),
            (1_u8.into(), false),
            (2_u8.into(), true),
            (&prime - 2_u8, true),
            (&prime - 1_u8, false),
            (prime.clone(), false),
            (&prime * &prime, false),
        ] {
            assert_eq!(ours().agree(&theirs.to_bytes_be()).is_some(), is_key, "{theirs}");
        }
        assert!(ours().agree(&[]).is_none());
    }

    #[test]
    fn what_was_not_encrypted_with_the_key_is_no_secret() {
        let key = Key::default();
        for (vector, sealed) in [(16, 0), (16, 15), (15, 16), (0, 16), (16, 16)] {
            assert!(
                decrypt(&key, &vec![0; vector], &vec![0; sealed]).is_none(),
                "{vector} {sealed}"
            );
        }
    }
}

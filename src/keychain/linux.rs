//! Secret Service (<https://specifications.freedesktop.org/secret-service-spec/latest/>) over D-Bus.
//!
//! Reading goes to the service directly, since keyring's store unlocks, and so prompts, whenever something
//! that matches is locked. Writing goes through keyring's store once nothing that matches is locked; what
//! it wrote is read back over the direct connection.
//!
//! **Several items for one account** (another program may have stored the same two attributes with a third
//! one): the newest is the one that counts; a write leaves only that one, a deletion none. keyring itself
//! refuses to touch such items at all.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use secret_service::EncryptionType;
use secret_service::blocking::{Item, SecretService};
use zbus::blocking::Connection;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue};

use super::sealed::{self, Session};
use super::worker::Permission;
use super::{Error, SERVICE, is_same};

/// How often something is begun anew when another process changed the items meanwhile.
const TRIES: usize = 10;
/// Within the time that a call has at all, and long enough for dozens of writers.
const TURN_PATIENCE: Duration = Duration::from_millis(1500);

/// The connection to the service, made when first needed.
#[derive(Default)]
pub(super) struct Link(Option<Bus>);

impl Link {
    /// Only the bus is reached: to speak to the service would start it.
    pub(super) fn connect_ahead(&mut self) {
        let _ = self.bus();
    }

    pub(super) fn read(
        &mut self,
        account: &str,
        permission: &Permission,
    ) -> Result<Option<SecretString>, Error> {
        let bus = self.bus()?;
        repeatedly(|| {
            let item = match bus.unlocked(&attributes_of(account)).as_deref() {
                Some([item]) => item.clone(),
                _ => {
                    let found = find(bus.service()?, &attributes_of(account), permission)?;
                    let newest = newest_first(found)?.into_iter().next();
                    let Some(item) = newest else { return Ok(None) };
                    item.item_path
                }
            };
            let bytes = bus.secret_of(&item)?;
            let text = str::from_utf8(&bytes);
            let text = text.map_err(|_| Error::Broken { account: account.to_owned() })?;
            Ok(Some(text.into()))
        })
    }

    pub(super) fn write(
        &mut self,
        account: &str,
        label: &str,
        secret: &SecretString,
        permission: &Permission,
    ) -> Result<(), Error> {
        let bus = self.bus()?;
        // Once without the turn, since a person may take a minute to unlock.
        repeatedly(|| make_room(bus.service()?, account, permission))?;
        connect_keyring()?;
        let _turn = take_turn();
        write_in_turn(bus, account, label, secret, permission)
    }

    pub(super) fn replace(
        &mut self,
        account: &str,
        label: &str,
        old: &SecretString,
        new: Option<&SecretString>,
        permission: &Permission,
    ) -> Result<bool, Error> {
        self.bus()?;
        if new.is_some() {
            connect_keyring()?;
        }
        let _turn = take_turn();
        let is_old = self.read(account, permission)?.is_some_and(|kept| is_same(&kept, old));
        if is_old {
            match new {
                Some(new) => write_in_turn(self.bus()?, account, label, new, permission)?,
                None => drop(self.delete(account, permission)?),
            }
        }
        Ok(is_old)
    }

    pub(super) fn delete(&mut self, account: &str, permission: &Permission) -> Result<bool, Error> {
        let service = self.bus()?.service()?;
        let mut deleted = false;
        repeatedly(|| {
            let found = find(service, &attributes_of(account), permission)?;
            for item in &found {
                item.delete()?;
                deleted = true;
            }
            // Found empty once more, so that nothing that another process adds meanwhile is left behind.
            if found.is_empty() { Ok(deleted) } else { Err(Fault::Gone) }
        })
    }

    pub(super) fn accounts(&mut self, permission: &Permission) -> Result<Vec<String>, Error> {
        let bus = self.bus()?;
        let ours = HashMap::from([("service", SERVICE)]);
        repeatedly(|| {
            let mut accounts = Vec::new();
            if let Some(items) = bus.unlocked(&ours) {
                for item in items {
                    accounts.extend(bus.attributes_of(&item)?.remove("username"));
                }
                return Ok(accounts);
            }
            for item in find(bus.service()?, &ours, permission)? {
                accounts.extend(item.get_attributes()?.remove("username"));
            }
            Ok(accounts)
        })
    }

    pub(super) fn ready(&mut self, permission: &Permission) -> Result<(), Error> {
        let service = self.bus()?.service()?;
        repeatedly(|| {
            let collection = service.get_default_collection().map_err(no_collection)?;
            if collection.is_locked()? && !permission.may_unlock() {
                return Err(Error::Locked.into());
            }
            Ok(())
        })
    }

    fn bus(&mut self) -> Result<&Bus, Error> {
        if self.0.is_none() {
            self.0 = Some(Bus::connect()?);
        }
        Ok(self.0.as_ref().expect("it was set above"))
    }
}

struct Bus {
    connection: Connection,
    /// For all but secrets, which it would send in the clear.
    service: OnceCell<SecretService<'static>>,
    /// For secrets. Opened when the first one is there: the service takes milliseconds for its half of a key.
    session: OnceCell<Session>,
}

impl Bus {
    fn connect() -> Result<Self, Error> {
        let connection = Connection::session().map_err(|error| match error {
            zbus::Error::Address(_) => secret_service::Error::Unavailable,
            error => error.into(),
        });
        let connection = connection.map_err(|error| Error::from(classify(&error)))?;
        Ok(Self { connection, service: OnceCell::new(), session: OnceCell::new() })
    }

    fn service(&self) -> Result<&SecretService<'_>, Error> {
        opened(&self.service, || {
            SecretService::connect_with_existing(EncryptionType::Plain, self.connection.clone())
        })
    }

    /// The items that match, where there are some and none is locked. That is how it nearly always is, and
    /// then git has not to wait for more; `None` says nothing at all.
    fn unlocked(&self, attributes: &HashMap<&str, &str>) -> Option<Vec<OwnedObjectPath>> {
        let interface = "org.freedesktop.Secret.Service";
        let reply = self.connection.call_method(
            Some(sealed::NAME),
            sealed::PATH,
            Some(interface),
            "SearchItems",
            &(attributes,),
        );
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            reply.ok()?.body().deserialize().ok()?;
        (locked.is_empty() && !unlocked.is_empty()).then_some(unlocked)
    }

    fn attributes_of(&self, item: &ObjectPath<'_>) -> Result<HashMap<String, String>, Fault> {
        let interface = Some("org.freedesktop.DBus.Properties");
        let property = ("org.freedesktop.Secret.Item", "Attributes");
        let reply =
            self.connection.call_method(Some(sealed::NAME), item, interface, "Get", &property);
        let value = reply.and_then(|reply| reply.body().deserialize::<OwnedValue>());
        let attributes = value.and_then(|value| value.try_into().map_err(zbus::Error::from));
        Ok(attributes.map_err(secret_service::Error::from)?)
    }

    fn secret_of(&self, item: &ObjectPath<'_>) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let session = opened(&self.session, || Session::open(&self.connection))?;
        Ok(session.secret(&self.connection, item)?)
    }
}

/// What is in the slot, made if it is empty by what speaks to the service for the first time.
fn opened<T>(
    slot: &OnceCell<T>,
    open: impl FnOnce() -> Result<T, secret_service::Error>,
) -> Result<&T, Error> {
    if slot.get().is_none() {
        let made = open().map_err(|error| match classify(&error) {
            // Something owns the name and does not know the interface.
            Fault::Gone => Error::NoService { reason: reason_of(&error) },
            Fault::Real(error) => error,
        })?;
        let _ = slot.set(made);
    }
    Ok(slot.get().expect("it was set above"))
}

/// Why one try failed.
enum Fault {
    /// An item was there a moment ago: the whole is to be tried again.
    Gone,
    Real(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Real(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Gone => Self::Other { reason: "its items change all the time".into() },
            Fault::Real(error) => error,
        }
    }
}

impl From<secret_service::Error> for Fault {
    fn from(error: secret_service::Error) -> Self {
        classify(&error)
    }
}

fn repeatedly<T>(mut once: impl FnMut() -> Result<T, Fault>) -> Result<T, Error> {
    for _ in 1..TRIES {
        match once() {
            Err(Fault::Gone) => {}
            result => return result.map_err(Error::from),
        }
    }
    once().map_err(Error::from)
}

/// Lets one process write and read back at a time, as long as the result is held.
///
/// Many writers at once would go on replacing each other's secret before it is read back. The lock is on
/// the program's own file: it is there, nobody has to write it, and it is the same for all that may
/// contend. Whoever cannot have it soon goes on without: others may hold it for whatever reason.
fn take_turn() -> Option<File> {
    let program = File::open("/proc/self/exe").ok()?;
    let start = Instant::now();
    while start.elapsed() < TURN_PATIENCE {
        match program.try_lock() {
            Ok(()) => return Some(program),
            Err(TryLockError::WouldBlock) => thread::sleep(random_pause(0)),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Up to 10 ms, then twice as long each time, up to 160 ms.
fn random_pause(attempt: usize) -> Duration {
    let longest = 10_000 << attempt.min(4);
    // A hasher's random keys serve, since nothing secret depends on it.
    Duration::from_micros(RandomState::new().hash_one(attempt) % longest)
}

fn attributes_of(account: &str) -> HashMap<&str, &str> {
    HashMap::from([("service", SERVICE), ("username", account)])
}

/// Every matching item, all of them unlocked.
///
/// One locked match locks the answer, even beside unlocked ones: it may be the newest.
fn find<'a>(
    service: &'a SecretService<'a>,
    attributes: &HashMap<&str, &str>,
    permission: &Permission,
) -> Result<Vec<Item<'a>>, Fault> {
    let found = service.search_items(attributes.clone())?;
    if !found.locked.is_empty() {
        permission.obtain()?;
        // One by one: `unlock_all` shows no prompt for the rest once a single item needs none.
        for item in &found.locked {
            item.unlock()?;
        }
    } else if found.unlocked.is_empty() && default_collection_hides_its_items(service)? {
        permission.obtain()?;
        service.get_default_collection().map_err(no_collection)?.unlock()?;
    } else {
        return Ok(found.unlocked);
    }
    let found = service.search_items(attributes.clone())?;
    if found.locked.is_empty() { Ok(found.unlocked) } else { Err(Error::Locked.into()) }
}

/// Whether a search that found nothing may have been blind.
///
/// gnome-keyring finds and lists the items of a locked collection (the specification, "Lock and unlock",
/// has attributes never be secret); a service that encrypts attributes too shows a locked collection as
/// empty. So nothing can be said about a default collection that is locked and looks empty.
fn default_collection_hides_its_items(service: &SecretService<'_>) -> Result<bool, Fault> {
    match service.get_default_collection() {
        Ok(collection) => Ok(collection.is_locked()? && collection.get_all_items()?.is_empty()),
        Err(secret_service::Error::NoResult) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Items in the order of their last change, the latest first.
fn newest_first(items: Vec<Item<'_>>) -> Result<Vec<Item<'_>>, Fault> {
    // What is asked of each item would be as much as all else.
    if items.len() < 2 {
        return Ok(items);
    }
    let mut aged = Vec::with_capacity(items.len());
    for item in items {
        // Both times are whole seconds; within one, the item made last has the highest number in its path.
        let path = item.item_path.to_string();
        aged.push(((item.get_modified()?, item.get_created()?, path.len(), path), item));
    }
    aged.sort_by(|(one, _), (other, _)| other.cmp(one));
    Ok(aged.into_iter().map(|(_, item)| item).collect())
}

/// Connects, and so would keep other writers waiting if it came in one's turn.
fn connect_keyring() -> Result<(), Error> {
    keyring::Entry::store_status()
        .as_ref()
        .map(drop)
        .map_err(|error| classify_keyring(error).into())
}

fn write_in_turn(
    bus: &Bus,
    account: &str,
    label: &str,
    secret: &SecretString,
    permission: &Permission,
) -> Result<(), Error> {
    for attempt in 0..TRIES {
        match write_once(bus, account, label, secret, permission) {
            Ok(true) => return Ok(()),
            // Another process wrote or deleted in between. The last one to write wins, and that is us.
            Ok(false) | Err(Fault::Gone) => thread::sleep(random_pause(attempt)),
            Err(Fault::Real(error)) => return Err(error),
        }
    }
    Err(Error::DifferentAfterWrite { account: account.to_owned() })
}

/// True when the one item of `account` now holds `secret`; false when another process came in between.
fn write_once(
    bus: &Bus,
    account: &str,
    label: &str,
    secret: &SecretString,
    permission: &Permission,
) -> Result<bool, Fault> {
    make_room(bus.service()?, account, permission)?;
    through_keyring(account, label, secret)?;

    let found = find(bus.service()?, &attributes_of(account), permission)?;
    let [item] = found.as_slice() else { return Ok(false) };
    if *bus.secret_of(&item.item_path)? != secret.expose_secret().as_bytes() {
        return Ok(false);
    }
    // keyring gives a label to new items only.
    if item.get_label()? != label {
        item.set_label(label)?;
    }
    Ok(true)
}

/// Makes sure that keyring, which would prompt by itself and refuses several items, meets neither a lock nor
/// more than one.
fn make_room(
    service: &SecretService<'_>,
    account: &str,
    permission: &Permission,
) -> Result<(), Fault> {
    let found = find(service, &attributes_of(account), permission)?;
    if found.is_empty() {
        open_default_collection(service, permission)?;
    }
    // Older items go first: whatever happens next, a read answers as before or with the new value.
    for older in newest_first(found)?.iter().skip(1) {
        older.delete()?;
    }
    Ok(())
}

fn open_default_collection(
    service: &SecretService<'_>,
    permission: &Permission,
) -> Result<(), Fault> {
    let collection = service.get_default_collection().map_err(no_collection)?;
    if !collection.is_locked()? {
        return Ok(());
    }
    permission.obtain()?;
    collection.unlock()?;
    if collection.is_locked()? { Err(Error::Locked.into()) } else { Ok(()) }
}

fn through_keyring(account: &str, label: &str, secret: &SecretString) -> Result<(), Fault> {
    let modifiers = HashMap::from([("label", label)]);
    keyring_core::Entry::new_with_modifiers(SERVICE, account, &modifiers)
        .and_then(|entry| entry.set_secret(secret.expose_secret().as_bytes()))
        .map_err(|error| classify_keyring(&error))
}

fn no_collection(error: secret_service::Error) -> Fault {
    match error {
        secret_service::Error::NoResult => Error::NoDefaultCollection.into(),
        error => error.into(),
    }
}

type MakeFault = fn(String) -> Fault;

/// What a D-Bus error name means here; `secret_service` gives it as text alone.
///
/// Names: the D-Bus specification and its reference implementation, `dbus-protocol.h`; the Secret Service
/// specification, "Errors". A service that ends in the middle of a call comes as `NoReply`.
const NAMES: [(&str, MakeFault); 14] = [
    ("org.freedesktop.Secret.Error.IsLocked", |_| Error::Locked.into()),
    ("org.freedesktop.Secret.Error.NoSuchObject", |_| Fault::Gone),
    ("org.freedesktop.DBus.Error.UnknownObject", |_| Fault::Gone),
    ("org.freedesktop.DBus.Error.UnknownMethod", |_| Fault::Gone),
    ("org.freedesktop.DBus.Error.UnknownInterface", |_| Fault::Gone),
    ("org.freedesktop.DBus.Error.UnknownProperty", |_| Fault::Gone),
    ("org.freedesktop.DBus.Error.ServiceUnknown", no_service),
    ("org.freedesktop.DBus.Error.NameHasNoOwner", no_service),
    ("org.freedesktop.DBus.Error.Spawn.", no_service),
    ("org.freedesktop.DBus.Error.NoReply", no_service),
    ("org.freedesktop.DBus.Error.AccessDenied", denied),
    ("org.freedesktop.DBus.Error.AuthFailed", denied),
    ("D-Bus handshake failed", denied),
    ("Failed to connect to address", no_bus),
];

fn no_bus(reason: String) -> Fault {
    Error::NoBus { reason }.into()
}

fn no_service(reason: String) -> Fault {
    Error::NoService { reason }.into()
}

fn denied(reason: String) -> Fault {
    Error::Denied { reason }.into()
}

fn classify(error: &secret_service::Error) -> Fault {
    use secret_service::Error as Service;
    match error {
        Service::Locked => Error::Locked.into(),
        Service::Prompt => Error::Dismissed.into(),
        // Despite its text this one comes from connecting alone: no usable address, or no socket there.
        Service::Unavailable => no_bus("its address leads nowhere".into()),
        error => {
            let reason = reason_of(error);
            match NAMES.iter().find(|(name, _)| reason.contains(name)) {
                Some((_, fault)) => fault(reason),
                None => Error::Other { reason }.into(),
            }
        }
    }
}

fn classify_keyring(error: &keyring_core::Error) -> Fault {
    use keyring_core::Error as Keyring;
    match error {
        Keyring::NoEntry | Keyring::Ambiguous(_) => Fault::Gone,
        Keyring::PlatformFailure(source) | Keyring::NoStorageAccess(source) => {
            match source.downcast_ref() {
                Some(error) => classify(error),
                None => Error::Other { reason: source.to_string() }.into(),
            }
        }
        // `Display` and never `Debug`, which in some variants holds the secret.
        error => Error::Other { reason: error.to_string() }.into(),
    }
}

fn reason_of(error: &secret_service::Error) -> String {
    let source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

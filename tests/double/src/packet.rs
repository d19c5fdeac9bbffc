//! pkt-lines (gitprotocol-common(5)), as far as the double must read and write them itself.

use std::io;

use axum::body::Bytes;

use crate::upload::Upload;

/// Ends a section.
pub(crate) const FLUSH: &[u8] = b"0000";

/// The most that a side-band-64k packet carries beside its length and its band
/// (gitprotocol-capabilities(5)).
const BAND_ROOM: usize = 65_515;

/// A pkt-line with that content.
pub(crate) fn packet(content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut packet = format!("{:04x}", content.len() + 4).into_bytes();
    packet.extend_from_slice(content);
    packet
}

/// The content in as many packets of that side band as it takes.
pub(crate) fn band(number: u8, content: &[u8]) -> Vec<u8> {
    let pack = |part: &[u8]| packet([&[number][..], part].concat());
    content.chunks(BAND_ROOM).flat_map(pack).collect()
}

/// Takes whole advertisements and reports apart: `None` is a flush packet.
pub(crate) fn split(mut bytes: &[u8]) -> io::Result<Vec<Option<&[u8]>>> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let length = length(bytes)?;
        if length == 0 {
            packets.push(None);
            bytes = &bytes[4..];
        } else {
            let end = length.min(bytes.len());
            packets.push(Some(&bytes[4..end]));
            bytes = &bytes[end..];
        }
    }
    Ok(packets)
}

/// Reads the packets of an upload up to and with the first flush packet; an upload that ends before
/// has no more of them. What follows stays in the upload.
pub(crate) async fn section(upload: &mut Upload) -> io::Result<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    let mut buffer = Vec::new();
    loop {
        while buffer.len() < 4 || buffer.len() < length(&buffer)? {
            match upload.chunk().await? {
                Some(chunk) => buffer.extend_from_slice(&chunk),
                None if buffer.is_empty() => return Ok(packets),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = length(&buffer)?;
        if length == 0 {
            upload.give_back(Bytes::from(buffer.split_off(4)));
            return Ok(packets);
        }
        let rest = buffer.split_off(length);
        packets.push(buffer.split_off(4));
        buffer = rest;
    }
}

fn length(bytes: &[u8]) -> io::Result<usize> {
    let digits = bytes.get(..4).and_then(|digits| std::str::from_utf8(digits).ok());
    match digits.and_then(|digits| usize::from_str_radix(digits, 16).ok()) {
        Some(length) if length == 0 || length >= 4 => Ok(length),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "bad packet length")),
    }
}

//! A long way to a server: what goes through arrives later, and as fast.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A port of 127.0.0.1 from which bytes take `delay` to `server`, and as long back; as long as
/// this process runs.
///
/// A connection is made at once. With a proxy behind it that is as far as a direct one: what the
/// proxy is asked first takes the turn that the connection would.
///
/// # Errors
/// There is no port.
pub fn start(server: SocketAddr, delay: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A client whose connection can't be passed on sees it closed.
            let _ = connect(client, server, delay);
        }
    });
    Ok(address)
}

fn connect(client: TcpStream, server: SocketAddr, delay: Duration) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    // Small answers must not wait for an acknowledgement.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    pass(client.try_clone()?, server.try_clone()?, delay);
    pass(server, client, delay);
    Ok(())
}

/// On two threads, since what is under way must not keep the next from setting out.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (under_way, arriving) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut piece = vec![0; 64 << 10];
        loop {
            // One that was reset is at its end as well.
            let count = from.read(&mut piece).unwrap_or(0);
            let arrival = Instant::now() + delay;
            if under_way.send((arrival, piece[..count].to_vec())).is_err() || count == 0 {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (arrival, bytes) in arriving {
            thread::sleep(arrival.saturating_duration_since(Instant::now()));
            if bytes.is_empty() || to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

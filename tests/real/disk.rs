//! A disk without any room left: what was there stays as it was, and what could not be written is
//! said.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

/// A disk of a mebibyte in the place of a folder, gone with this.
struct Disk(PathBuf);

impl Disk {
    fn at(folder: &Path) -> Self {
        let owner = format!(
            "size=1m,mode=755,uid={},gid={}",
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw()
        );
        run_as_root(&["mount", "-t", "tmpfs", "-o", &owner, "tmpfs"], folder);
        Self(folder.to_owned())
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut file = File::create(self.0.join("filling")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filling")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run_as_root(&["umount", "--lazy"], &self.0);
    }
}

fn run_as_root(arguments: &[&str], folder: &Path) {
    let mut command = match rustix::process::geteuid().is_root() {
        true => Command::new(arguments[0]),
        false => {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", arguments[0]]);
            sudo
        }
    };
    let status = command.args(&arguments[1..]).arg(folder).status().unwrap();
    assert!(status.success(), "{} needs root or `sudo -n`", arguments[0]);
}

#[test]
#[ignore = "needs root: run tests/run"]
fn a_push_from_a_full_disk_is_done_and_what_was_not_noted_is_said() {
    let sandbox = Sandbox::signed_in();
    sandbox.contoso().repository("shop", "web");
    let disk = Disk::at(&sandbox.work());
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    let config = fs::read(sandbox.work().join(".git/config")).unwrap();
    disk.fill();
    let output = sandbox.run(["push"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
warning: what origin has now was not noted here: refs/remotes/origin/main can't be changed: could not write to '/work/.git/logs/refs/remotes/origin/main': No space left on device
warning: the branch was not set to follow its remote: /work/.git/config can't be changed: failed to write out file: No space left on device
main → origin/main (new)
[exit 0]

"#]].raw());
    assert_eq!(sandbox.server("shop", "web", &["log", "--format=%s", "main"]), "One");
    assert_eq!(fs::read(sandbox.work().join(".git/config")).unwrap(), config);
    disk.free();
    // Nothing is left behind that keeps the next one from it.
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → origin/main (up to date)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.git(["fsck"]), "");
}

#[test]
#[ignore = "needs root: run tests/run"]
fn a_sign_in_that_can_t_be_written_leaves_the_one_before() {
    let sandbox = Sandbox::new();
    let folder = sandbox.credentials().parent().unwrap().to_owned();
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let disk = Disk::at(&folder);
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    sandbox.sign_in("contoso");
    let kept = fs::read(sandbox.credentials()).unwrap();
    disk.fill();
    let token = sandbox.token("contoso");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: a token for contoso can't be kept
  caused by: cannot write /home/.local/share/git-vsts/credentials.json
  caused by: No space left on device (os error 28)
hint: check the folder's permissions and the free space
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(fs::read(sandbox.credentials()).unwrap(), kept);
    disk.free();
    let mut left: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    // The lock stays where it is for the next one.
    assert_eq!(left, ["credentials.json", "credentials.lock"]);
}

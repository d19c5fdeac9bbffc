//! What a sign-in with a Microsoft account needs of the world: where Microsoft is, as which program, a browser.

use url::Url;

use super::{Context, Environment};
use crate::error::{Error, Kind};
use crate::http::{Client, Limits};
use crate::signin::microsoft::{CLIENT, LOGIN_URL};
use crate::text::visible_within;

/// Where the service makes tokens, and where it knows the organizations of an account.
const IDENTITY_URL: &str = "https://vssps.dev.azure.com";
const ACCOUNTS_URL: &str = "https://app.vssps.visualstudio.com";
/// The most characters of this computer's name in that of a token.
const MACHINE: usize = 60;

impl Context {
    /// Where Microsoft's sign-in is.
    pub fn login_url(&self) -> &str {
        self.environment.get("GIT_VSTS_LOGIN_URL").unwrap_or(LOGIN_URL)
    }

    /// Where Microsoft's sign-in is, if not at Microsoft.
    pub fn other_authority(&self) -> Option<String> {
        Some(self.login_url().to_owned()).filter(|url| url != LOGIN_URL)
    }

    /// The client for Microsoft's sign-in, which nothing of a repository's own configuration touches.
    ///
    /// # Errors
    /// Settings that can't be used.
    pub fn login_client(&self) -> Result<Client, Error> {
        self.trusted_client(&parsed(self.login_url())?)
    }

    /// The same, in more of a hurry.
    ///
    /// # Errors
    /// As [`Context::login_client`].
    pub fn hasty_login_client(&self, limits: Limits) -> Result<Client, Error> {
        self.client_within(&parsed(self.login_url())?, limits)
    }

    /// As which program a person signs in.
    ///
    /// # Errors
    /// A setting that is no id.
    pub fn client_id(&self) -> Result<String, Error> {
        let set = self.environment.get("GIT_VSTS_CLIENT_ID");
        let id = match set {
            Some(id) => id,
            None => self.configuration()?.trusted("vsts.clientId").unwrap_or(CLIENT),
        };
        match id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            true => Ok(id.to_owned()),
            false => {
                let id = visible_within(id, 60);
                Err(Error::message(Kind::Usage, format!("`{id}` is no id of a program"))
                    .hint("see `GIT_VSTS_CLIENT_ID` and `git config --show-origin vsts.clientId`"))
            }
        }
    }

    /// Where tokens are made, and where the organizations of an account are known.
    ///
    /// # Errors
    /// An override that is no URL.
    pub fn identity_urls(&self) -> Result<(Url, Url), Error> {
        let get = |name| self.environment.get(name);
        match get("GIT_VSTS_SPS_URL").or_else(|| get("GIT_VSTS_AZURE_URL")) {
            Some(instead) => Ok((parsed(instead)?, parsed(instead)?)),
            None => Ok((parsed(IDENTITY_URL)?, parsed(ACCOUNTS_URL)?)),
        }
    }

    /// Whether there is a browser for whoever sits here: not over SSH, where it would open elsewhere or as text.
    pub fn has_browser(&self) -> bool {
        has_browser(&self.environment, windows_programs_run)
    }

    /// Opens an address in the browser of whoever sits here. One that is text stays in the foreground until it is left.
    ///
    /// # Errors
    /// None could be started.
    pub fn open_in_browser(&self, url: &Url) -> Result<(), String> {
        open(url)
    }

    /// The same without waiting for it: what it opens may wait for this program.
    pub fn start_browser(&self, url: &Url, failed: impl FnOnce(&str) + Send + 'static) {
        let url = url.clone();
        std::thread::spawn(move || {
            if let Err(error) = open(&url) {
                failed(&error);
            }
        });
    }

    /// This computer, as the list of a person's tokens shall name it.
    pub fn machine(&self) -> String {
        #[cfg(unix)]
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        #[cfg(not(unix))]
        let name = self.environment.get("COMPUTERNAME").unwrap_or_default().to_owned();
        let name = visible_within(&name, MACHINE);
        if name.is_empty() { "a computer".to_owned() } else { name }
    }
}

fn open(url: &Url) -> Result<(), String> {
    let mut options = webbrowser::BrowserOptions::new();
    // What it prints would stand in the middle of a dialogue.
    options.with_suppress_output(true);
    webbrowser::open_browser_with_options(webbrowser::Browser::Default, url.as_str(), &options)
        .map_err(|error| error.to_string())
}

/// Browsers without a script engine, in which nobody can sign in at Microsoft. The webbrowser crate has the same list, of
/// those that it runs on the terminal.
const TEXT_BROWSERS: [&str; 9] =
    ["lynx", "links", "links2", "elinks", "w3m", "eww", "netrik", "retawq", "curl"];

/// Whether one of the commands of `BROWSER`, between colons, is a browser with windows.
fn names_browser(browsers: &std::ffi::OsStr) -> bool {
    let browsers = browsers.to_string_lossy();
    let programs = browsers.split(':').filter_map(|command| command.split_whitespace().next());
    let mut names = programs.filter_map(|program| std::path::Path::new(program).file_name());
    names.any(|name| !TEXT_BROWSERS.iter().any(|text| name == *text))
}

/// `windows_programs_run` is asked below Windows' subsystem for Linux alone.
fn has_browser(environment: &Environment, windows_programs_run: impl Fn() -> bool) -> bool {
    let is_set = |name: &str| environment.raw(name).is_some();
    if environment.raw("BROWSER").is_some_and(names_browser) {
        return true;
    }
    let is_remote = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"].into_iter().any(is_set);
    let is_desktop = cfg!(any(windows, target_os = "macos"))
        || ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(is_set)
        || (is_set("WSL_DISTRO_NAME") && windows_programs_run());
    is_desktop && !is_remote
}

/// Whether a program of Windows can be started from its subsystem for Linux, which can be switched off ("Working across
/// file systems", learn.microsoft.com). The webbrowser crate looks at the same file, and without it starts none.
fn windows_programs_run() -> bool {
    std::fs::read_to_string("/proc/sys/fs/binfmt_misc/WSLInterop")
        .is_ok_and(|state| state.contains("enabled"))
}

fn parsed(url: &str) -> Result<Url, Error> {
    // Overrides were looked at when the context was made.
    Url::parse(url).map_err(|error| Error::new(Kind::Usage, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_where_somebody_sits_in_front_of_it() {
        let is_own = cfg!(any(windows, target_os = "macos"));
        let ssh = ("SSH_CONNECTION", "203.0.113.1 50000 203.0.113.2 22");
        let (display, wayland) = (("DISPLAY", ":0"), ("WAYLAND_DISPLAY", "wayland-0"));
        let wsl = ("WSL_DISTRO_NAME", "Debian");
        let table: [(&[_], bool, bool); 15] = [
            (&[], true, is_own),
            (&[display], false, true),
            (&[wayland], false, true),
            (&[("DISPLAY", "")], false, is_own),
            (&[wsl], true, true),
            (&[wsl], false, is_own),
            (&[wsl, display], false, true),
            (&[ssh, display], true, false),
            (&[("SSH_TTY", "/dev/pts/0"), wsl], true, false),
            (&[ssh, ("BROWSER", "firefox")], false, true),
            // What is text brings nobody through a sign-in.
            (&[ssh, ("BROWSER", "w3m")], false, false),
            (&[ssh, display, ("BROWSER", "/usr/bin/lynx -accept_all_cookies %s")], false, false),
            (&[ssh, ("BROWSER", "w3m:firefox")], false, true),
            (&[display, ("BROWSER", "w3m")], false, true),
            (&[("BROWSER", "wslview"), wsl], false, true),
        ];
        for (variables, windows_programs_run, expected) in table {
            let environment = Environment::from_pairs(variables.iter().copied());
            let found = has_browser(&environment, || windows_programs_run);
            assert_eq!(found, expected, "{variables:?}, {windows_programs_run}");
        }
    }
}

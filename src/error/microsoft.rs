//! Advice about a sign-in with a Microsoft account.

use super::{Error, Kind};
use crate::azure::{NotMade, NotTold};
use crate::remote::Organization;
use crate::signin::loopback;
use crate::signin::microsoft::{Error as Entra, Meaning, Refused};

/// What is known of a sign-in that failed, for advice that fits it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempted<'a> {
    /// Where the person wanted to be signed in, if it is known.
    pub organization: Option<&'a Organization>,
    /// Whether it was in the browser of this computer.
    pub in_browser: bool,
}

impl Attempted<'_> {
    /// The command that signs in, with a flag.
    fn login(&self, flag: &str) -> String {
        let name = self.organization.map_or_else(|| "ORG".to_owned(), ToString::to_string);
        let space = if flag.is_empty() { "" } else { " " };
        format!("`git vsts login {name}{space}{flag}`")
    }

    /// What always works where a token may be made.
    fn paste(&self) -> String {
        let page = match self.organization {
            Some(organization) => format!("at {}", organization.tokens_page()),
            None => "on the web page".to_owned(),
        };
        format!("make a token {page} and paste it: {}", self.login("--pat"))
    }
}

/// What an administrator has to allow: whoever set another knows its name.
const PROGRAM: &str = "the program as which git vsts signs in (Visual Studio, unless `GIT_VSTS_CLIENT_ID` or `vsts.clientId` names another)";

impl From<Entra> for Error {
    fn from(error: Entra) -> Self {
        Self::of_sign_in(error, Attempted::default())
    }
}

impl Error {
    /// What a sign-in at Microsoft that failed means for the person.
    pub fn of_sign_in(error: Entra, attempted: Attempted<'_>) -> Self {
        match &error {
            Entra::Http(_) => {
                let Entra::Http(error) = error else { unreachable!("matched above") };
                error.into()
            }
            Entra::Refused(refused) => {
                let hint = advice(refused, attempted);
                let error = Self::new(Kind::SignedOut, error);
                match hint {
                    Some(hint) => error.hint(hint).hint(format!("or {}", attempted.paste())),
                    None => error.hint(attempted.paste()),
                }
            }
            Entra::NoToken { .. } | Entra::NoCode { .. } => Self::new(Kind::Network, error)
                .hint("something on the way may have answered in its place: check the proxy"),
            Entra::OtherIssuer { .. } => Self::new(Kind::SignedOut, error)
                .hint("close what else is signing in in the browser, and sign in again"),
            Entra::OtherAuthority { .. } => {
                Self::new(Kind::SignedOut, error).hint("see `GIT_VSTS_LOGIN_URL`, or sign in again")
            }
            Entra::UnknownHost { .. } => Self::new(Kind::Failed, error)
                .hint("name the directory yourself with `--tenant`, if you know it"),
            Entra::UnknownPage { .. } => {
                let web = attempted.login("--web");
                Self::new(Kind::SignedOut, error)
                    .hint(format!("do not type it there; sign in in the browser: {web}"))
            }
            Entra::Tenant { .. } => Self::new(Kind::Usage, error),
            Entra::Loopback(loopback::Error::NoPort(_)) => {
                let device = attempted.login("--device");
                Self::new(Kind::Failed, error)
                    .hint(format!("sign in by a code on another device: {device}"))
            }
            Entra::Loopback(loopback::Error::TimedOut { .. }) => Self::new(Kind::SignedOut, error)
                .hint("sign in again, or by a code on another device with `--device`"),
            Entra::CodeEnded { .. } => Self::new(Kind::SignedOut, error).hint(
                "sign in again; where the other device says that it is not allowed, use `--web`",
            ),
        }
    }
}

fn advice(refused: &Refused, attempted: Attempted<'_>) -> Option<String> {
    let hint = match refused.meaning? {
        Meaning::OtherTenant | Meaning::NoSuchAccount => {
            "sign in with the account that the organization knows, or ask to be invited as a guest"
        }
        Meaning::Locked => "wait a while, try another network, or ask your administrator",
        Meaning::Password => {
            "sign in again; you can set a new password at https://passwordreset.microsoftonline.com"
        }
        Meaning::PasswordEnded => {
            "change it at https://myaccount.microsoft.com, then sign in again"
        }
        Meaning::Disabled => "ask an administrator of your directory",
        Meaning::MoreProof if attempted.in_browser => {
            "sign in again; a second factor is set up at https://mysignins.microsoft.com/security-info"
        }
        Meaning::MoreProof => {
            return Some(format!("sign in again, in the browser: {}", attempted.login("--web")));
        }
        Meaning::Device if attempted.in_browser => {
            "sign in on a computer that your company manages, in the browser that it came with"
        }
        Meaning::Device => {
            "sign in in the browser of a computer that your company manages, with `--web`"
        }
        Meaning::DeviceCodeBlocked => "sign in in the browser, with `--web`",
        Meaning::ConditionalAccess => {
            "use the network or the device that your administrator allows, such as the company's VPN"
        }
        Meaning::Consent => {
            return Some(format!(
                "sign in again and accept what Microsoft asks; where it does not ask, an administrator has to allow {PROGRAM}"
            ));
        }
        Meaning::NotApproved | Meaning::NotAssigned | Meaning::AdminConsent => {
            return Some(format!("ask an administrator of your directory to allow {PROGRAM}"));
        }
        Meaning::NoAzureDevOps | Meaning::NoSuchTenant => {
            "check the organization's name; `--tenant` names its directory"
        }
        Meaning::TenantRestriction => "ask your administrator, or use another network",
        Meaning::Declined | Meaning::CodeUsed | Meaning::Ended => {
            return Some(format!("sign in again: {}", attempted.login("")));
        }
        Meaning::CodeUnknown => "sign in again, and type the new code as it is shown",
        Meaning::OtherKindOfAccount => {
            "sign in with a work or school account; with a personal one, `--tenant organizations` may help"
        }
        Meaning::Request => {
            "update git vsts; where `GIT_VSTS_CLIENT_ID` or `vsts.clientId` is set, check that it is right"
        }
    };
    Some(hint.to_owned())
}

impl From<NotTold> for Error {
    fn from(error: NotTold) -> Self {
        match error {
            NotTold::Failed(error) => error.into(),
            error @ NotTold::Unexpected { .. } => Self::new(Kind::Network, error)
                .hint("something on the way may have answered in its place: check the network and the proxy"),
        }
    }
}

impl From<NotMade> for Error {
    fn from(error: NotMade) -> Self {
        match error {
            NotMade::Failed(error) => error.into(),
            error @ NotMade::Lost { .. } => {
                let message = error.to_string();
                let NotMade::Lost { organization, error } = error else {
                    unreachable!("matched above")
                };
                let page = organization.tokens_page();
                let hint = format!("a token may have been made: look at {page}, and revoke it there");
                Self::from(error).context(message).first_hint(hint)
            }
            error @ NotMade::TooLong { .. } => Self::new(Kind::SignedOut, error)
                .hint("ask for fewer days, such as `--expires 1`, or keep the sign-in itself: `--credential entra`"),
            error => Self::new(Kind::SignedOut, error)
                .hint("keep the sign-in itself: `--credential entra`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{IntoData as _, assert_data_eq, str};

    use super::*;
    use crate::remote::Service;

    /// What is said and what to do, for each number that Microsoft's documentation explains and that a
    /// person can meet here.
    #[test]
    fn every_known_number_is_told_with_what_to_do() {
        const CODES: [u32; 75] = [
            16000,
            50020,
            90072,
            50034,
            51004,
            50014,
            50011,
            50147,
            70011,
            28002,
            65002,
            700_025,
            7_000_218,
            50053,
            50126,
            50055,
            50144,
            50057,
            50058,
            50072,
            50074,
            50076,
            50078,
            50079,
            50097,
            50129,
            53000,
            53001,
            530_033,
            53002,
            53003,
            50131,
            530_032,
            530_035,
            50105,
            500_011,
            650_052,
            500_021,
            500_212,
            500_213,
            65001,
            90094,
            90095,
            65004,
            50132,
            50133,
            50173,
            70000,
            70008,
            700_082,
            70043,
            700_084,
            165_100,
            54005,
            70018,
            70019,
            70020,
            700_016,
            700_011,
            90002,
            9_002_332,
            9_001_023,
            90124,
            90130,
            900_021,
            70016,
            7_000_215,
            7_000_222,
            70021,
            700_213,
            165_004,
            165_900,
            1,
            99999,
            u32::MAX,
        ];
        let mut groups: Vec<(String, Vec<u32>)> = Vec::new();
        for code in CODES {
            let description = format!("AADSTS{code}: What Microsoft says. Trace ID: 1");
            let refused = Refused::read("some_error", &description, &[code]);
            let error = Error::from(Entra::Refused(refused));
            assert_eq!(error.kind(), Kind::SignedOut);
            let said = error.to_string().replace(&format!("AADSTS{code}"), "AADSTS…");
            let said = [&[said][..], &error.hints].concat().join("\n    ");
            let said =
                said.replace(&Attempted::default().paste(), "PASTE").replace(PROGRAM, "PROGRAM");
            match groups.iter_mut().find(|(met, _)| *met == said) {
                Some((_, codes)) => codes.push(code),
                None => groups.push((said, vec![code])),
            }
        }
        let lines = groups.iter().map(|(said, codes)| format!("{codes:?}\n{said}\n"));
        assert_data_eq!(lines.collect::<String>(), str![[r#"
[16000, 50020, 90072]
Microsoft refused the sign-in: this account is not in the organization's directory (AADSTS…)
    sign in with the account that the organization knows, or ask to be invited as a guest
    or PASTE
[50034, 51004, 50014]
Microsoft refused the sign-in: there is no such account in the organization's directory (AADSTS…)
    sign in with the account that the organization knows, or ask to be invited as a guest
    or PASTE
[50011, 50147, 70011, 28002, 65002, 700025, 7000218]
Microsoft refused the sign-in: it did not accept how git vsts asked (AADSTS…)
    update git vsts; where `GIT_VSTS_CLIENT_ID` or `vsts.clientId` is set, check that it is right
    or PASTE
[50053]
Microsoft refused the sign-in: the account is locked for now, or this network's address is (AADSTS…)
    wait a while, try another network, or ask your administrator
    or PASTE
[50126]
Microsoft refused the sign-in: the name or the password is wrong (AADSTS…)
    sign in again; you can set a new password at https://passwordreset.microsoftonline.com
    or PASTE
[50055, 50144]
Microsoft refused the sign-in: the password has expired (AADSTS…)
    change it at https://myaccount.microsoft.com, then sign in again
    or PASTE
[50057]
Microsoft refused the sign-in: the account is switched off (AADSTS…)
    ask an administrator of your directory
    or PASTE
[50058, 50072, 50074, 50076, 50078, 50079]
Microsoft refused the sign-in: the account has to sign in anew, with a second factor (AADSTS…)
    sign in again, in the browser: `git vsts login ORG --web`
    or PASTE
[50097, 50129, 53000, 53001]
Microsoft refused the sign-in: this computer is not one that the organization manages (AADSTS…)
    sign in in the browser of a computer that your company manages, with `--web`
    or PASTE
[530033]
Microsoft refused the sign-in: the organization does not allow a sign-in by a code on another device (AADSTS…)
    sign in in the browser, with `--web`
    or PASTE
[53002]
Microsoft refused the sign-in: a policy of the organization (conditional access) does not approve this program (AADSTS…)
    ask an administrator of your directory to allow PROGRAM
    or PASTE
[53003, 50131, 530032, 530035]
Microsoft refused the sign-in: a policy of the organization (conditional access) forbids it (AADSTS…)
    use the network or the device that your administrator allows, such as the company's VPN
    or PASTE
[50105]
Microsoft refused the sign-in: the account is not among those that may use this program (AADSTS…)
    ask an administrator of your directory to allow PROGRAM
    or PASTE
[500011, 650052]
Microsoft refused the sign-in: the account's directory has no Azure DevOps (AADSTS…)
    check the organization's name; `--tenant` names its directory
    or PASTE
[500021, 500212, 500213]
Microsoft refused the sign-in: a policy forbids accounts of other directories (AADSTS…)
    ask your administrator, or use another network
    or PASTE
[65001]
Microsoft refused the sign-in: nobody has allowed this program for the account yet (AADSTS…)
    sign in again and accept what Microsoft asks; where it does not ask, an administrator has to allow PROGRAM
    or PASTE
[90094, 90095]
Microsoft refused the sign-in: an administrator has to allow this program first (AADSTS…)
    ask an administrator of your directory to allow PROGRAM
    or PASTE
[65004]
Microsoft refused the sign-in: it was declined (AADSTS…)
    sign in again: `git vsts login ORG`
    or PASTE
[50132, 50133, 50173, 70000, 70008, 700082, 70043, 700084, 165100]
Microsoft refused the sign-in: the sign-in was revoked, or has ended (AADSTS…)
    sign in again: `git vsts login ORG`
    or PASTE
[54005, 70019, 70020]
Microsoft refused the sign-in: the code was used already, or has ended (AADSTS…)
    sign in again: `git vsts login ORG`
    or PASTE
[70018]
Microsoft refused the sign-in: it does not know the code, which may be mistyped (AADSTS…)
    sign in again, and type the new code as it is shown
    or PASTE
[700016, 700011, 90002]
Microsoft refused the sign-in: there is no such directory, or it does not know this program (AADSTS…)
    check the organization's name; `--tenant` names its directory
    or PASTE
[9002332, 9001023, 90124, 90130, 900021]
Microsoft refused the sign-in: this kind of account can't sign in there (AADSTS…)
    sign in with a work or school account; with a personal one, `--tenant organizations` may help
    or PASTE
[70016, 7000215, 7000222, 70021, 700213, 165004, 165900, 1, 99999, 4294967295]
Microsoft refused the sign-in: some_error: AADSTS…: What Microsoft says.
    PASTE

"#]].raw());
    }

    #[test]
    fn a_host_that_is_not_microsofts_is_told_with_what_helps_there() {
        let host = || "evil.example".to_owned();
        for (error, expected) in [
            (
                Entra::UnknownHost { host: host() },
                "name the directory yourself with `--tenant`, if you know it",
            ),
            (
                Entra::UnknownPage { host: host() },
                "do not type it there; sign in in the browser: `git vsts login ORG --web`",
            ),
        ] {
            assert_eq!(Error::from(error).hints, [expected]);
        }
    }

    #[test]
    fn advice_names_the_organization_and_no_way_that_was_just_tried() {
        let contoso = Service::default().organization("contoso").unwrap();
        let mut said = String::new();
        for (in_browser, code) in [
            (true, 50079),
            (false, 50079),
            (true, 53000),
            (false, 53000),
            (true, 700_082),
            (true, 1),
        ] {
            let refused = Refused::read("some_error", "", &[code]);
            let attempted = Attempted { organization: Some(&contoso), in_browser };
            let error = Error::of_sign_in(Entra::Refused(refused), attempted);
            said += &format!("== {in_browser} {code}\n{}\n", error.hints.join("\n"));
        }
        assert_data_eq!(said, str![[r#"
== true 50079
sign in again; a second factor is set up at https://mysignins.microsoft.com/security-info
or make a token at https://dev.azure.com/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
== false 50079
sign in again, in the browser: `git vsts login contoso --web`
or make a token at https://dev.azure.com/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
== true 53000
sign in on a computer that your company manages, in the browser that it came with
or make a token at https://dev.azure.com/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
== false 53000
sign in in the browser of a computer that your company manages, with `--web`
or make a token at https://dev.azure.com/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
== true 700082
sign in again: `git vsts login contoso`
or make a token at https://dev.azure.com/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
== true 1
make a token at https://dev.azure.com/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`

"#]].raw());
    }

    #[test]
    fn a_port_that_can_not_be_had_is_a_fault_of_this_computer() {
        let no_port = || loopback::Error::NoPort(std::io::ErrorKind::AddrInUse.into());
        let error = Error::from(Entra::Loopback(no_port()));
        assert_eq!(error.kind().status(), 1);
        assert_eq!(
            error.hints,
            ["sign in by a code on another device: `git vsts login ORG --device`"]
        );
        let late = Error::from(Entra::Loopback(loopback::Error::TimedOut { minutes: 5 }));
        assert_eq!(late.kind().status(), 4);
    }
}

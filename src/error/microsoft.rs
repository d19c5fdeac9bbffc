//! Advice about a sign-in with a Microsoft account.

use super::{Error, Kind};
use crate::azure::{NotMade, NotTold};
use crate::signin::microsoft::{Error as Entra, Meaning, Refused};

/// What always works where a token may be made.
const PASTE: &str = "else make a token on the web page and paste it: `git vsts login ORG --pat`";

impl From<Entra> for Error {
    fn from(error: Entra) -> Self {
        match &error {
            Entra::Http(_) => {
                let Entra::Http(error) = error else { unreachable!("matched above") };
                error.into()
            }
            Entra::Refused(refused) => {
                let hint = advice(refused);
                let error = Self::new(Kind::SignedOut, error);
                match hint {
                    Some(hint) => error.hint(hint).hint(PASTE),
                    None => error.hint(PASTE),
                }
            }
            Entra::NoToken { .. } => Self::new(Kind::Network, error)
                .hint("something on the way may have answered in its place: check the proxy"),
            Entra::OtherIssuer { .. } => Self::new(Kind::SignedOut, error)
                .hint("close what else is signing in in the browser, and sign in again"),
            Entra::OtherAuthority { .. } => {
                Self::new(Kind::SignedOut, error).hint("see `GIT_VSTS_LOGIN_URL`, or sign in again")
            }
            Entra::UnknownHost { .. } => Self::new(Kind::Failed, error)
                .hint("name the directory yourself with `--tenant`, if you know it"),
            Entra::Tenant { .. } => Self::new(Kind::Usage, error),
            Entra::Loopback(_) => Self::new(Kind::SignedOut, error)
                .hint("sign in again, or by a code on another device with `--device`"),
            Entra::CodeEnded { .. } => Self::new(Kind::SignedOut, error).hint(
                "sign in again; where the other device says that it is not allowed, use `--web`",
            ),
        }
    }
}

fn advice(refused: &Refused) -> Option<&'static str> {
    Some(match refused.meaning? {
        Meaning::OtherTenant | Meaning::NoSuchAccount => {
            "sign in with the account that the organization knows, or ask to be invited as a guest"
        }
        Meaning::Locked => "wait a while, or ask your administrator",
        Meaning::Password => "check or change the password at https://myaccount.microsoft.com",
        Meaning::MoreProof => "sign in again, in the browser: `git vsts login ORG --web`",
        Meaning::Device => {
            "sign in in the browser of a computer that your company manages, with `--web`"
        }
        Meaning::DeviceCodeBlocked => "sign in in the browser, with `--web`",
        Meaning::ConditionalAccess => {
            "use the network or the device that your administrator allows, such as the company's VPN"
        }
        Meaning::NotAssigned | Meaning::Consent => {
            "ask an administrator of your directory to allow Visual Studio, as which git vsts signs in"
        }
        Meaning::NoAzureDevOps | Meaning::NoSuchTenant => {
            "check the organization's name; `--tenant` names its directory"
        }
        Meaning::TenantRestriction => "ask your administrator, or use another network",
        Meaning::Declined | Meaning::CodeUsed => "sign in again",
        Meaning::Ended => "sign in again: `git vsts login ORG`",
        Meaning::OtherKindOfAccount => {
            "sign in with a work or school account; with a personal one, `--tenant organizations` may help"
        }
        Meaning::Request => return None,
    })
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
            error @ NotMade::TooLong { .. } => Self::new(Kind::SignedOut, error)
                .hint("ask for fewer days, such as `--expires 1`, or keep the sign-in itself: `--credential entra`"),
            error => Self::new(Kind::SignedOut, error)
                .hint("keep the sign-in itself: `--credential entra`"),
        }
    }
}

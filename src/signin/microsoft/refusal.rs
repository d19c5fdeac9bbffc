//! What Microsoft says when it refuses, in plain words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::visible_within;

/// The most characters of what Microsoft says that are shown.
const SHOWN: usize = 300;

/// What a refusal means ("Microsoft Entra authentication and authorization error codes", learn.microsoft.com).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The account is of another tenant.
    OtherTenant,
    /// There is no such account.
    NoSuchAccount,
    /// The account is locked, or the network's address is.
    Locked,
    /// The password is wrong.
    Password,
    /// The password's time is over.
    PasswordEnded,
    /// The account is switched off.
    Disabled,
    /// A second factor or a fresh sign-in is wanted.
    MoreProof,
    /// The device must be one that the company manages.
    Device,
    /// Codes for another device are not allowed.
    DeviceCodeBlocked,
    /// A policy of conditional access forbids it.
    ConditionalAccess,
    /// Such a policy does not approve the application.
    NotApproved,
    /// The account is not assigned to the application.
    NotAssigned,
    /// The tenant knows no Azure DevOps.
    NoAzureDevOps,
    /// A policy between tenants forbids it.
    TenantRestriction,
    /// The person has to consent first, or somebody who may.
    Consent,
    /// An administrator has to consent first.
    AdminConsent,
    /// The person declined.
    Declined,
    /// The sign-in was revoked, or has ended.
    Ended,
    /// The code was used, or is of another try.
    CodeUsed,
    /// The code is none that was given out.
    CodeUnknown,
    /// The tenant or the application is not known.
    NoSuchTenant,
    /// A personal account, or a work account, where the other kind is wanted.
    OtherKindOfAccount,
    /// What this program asked for is at fault, or its settings are.
    Request,
}

impl Meaning {
    /// What a code of Microsoft's means, if it is known.
    pub fn of(code: u32) -> Option<Self> {
        Some(match code {
            16000 | 50020 | 90072 => Self::OtherTenant,
            50014 | 50034 | 51004 => Self::NoSuchAccount,
            50053 => Self::Locked,
            50126 => Self::Password,
            50055 | 50144 => Self::PasswordEnded,
            50057 => Self::Disabled,
            50058 | 50072 | 50074 | 50076 | 50078 | 50079 => Self::MoreProof,
            50097 | 50129 | 53000 | 53001 => Self::Device,
            530_033 => Self::DeviceCodeBlocked,
            50131 | 53003 | 530_032 | 530_035 => Self::ConditionalAccess,
            53002 => Self::NotApproved,
            50105 => Self::NotAssigned,
            500_011 | 650_052 => Self::NoAzureDevOps,
            500_021 | 500_212 | 500_213 => Self::TenantRestriction,
            65001 => Self::Consent,
            90094 | 90095 => Self::AdminConsent,
            65004 => Self::Declined,
            50132 | 50133 | 50173 | 70000 | 70008 | 70043 | 165_100 | 700_082 | 700_084 => {
                Self::Ended
            }
            54005 | 70019 | 70020 => Self::CodeUsed,
            70018 => Self::CodeUnknown,
            90002 | 700_011 | 700_016 => Self::NoSuchTenant,
            90124 | 90130 | 900_021 | 9_001_023 | 9_002_332 => Self::OtherKindOfAccount,
            28002 | 50011 | 50147 | 65002 | 70011 | 700_025 | 7_000_218 => Self::Request,
            _ => return None,
        })
    }

    /// What an error without a code means (RFC 6749, sections 4.1.2.1 and 5.2; RFC 8628, section 3.5).
    fn of_error(error: &str) -> Option<Self> {
        Some(match error {
            "access_denied" | "authorization_declined" => Self::Declined,
            "expired_token" => Self::CodeUsed,
            "bad_verification_code" => Self::CodeUnknown,
            "invalid_grant" => Self::Ended,
            "interaction_required" | "login_required" => Self::MoreProof,
            "consent_required" => Self::Consent,
            "unauthorized_client"
            | "invalid_client"
            | "invalid_request"
            | "invalid_scope"
            | "invalid_resource"
            | "unsupported_response_type" => Self::Request,
            _ => return None,
        })
    }

    fn words(self) -> &'static str {
        match self {
            Self::OtherTenant => "this account is not in the organization's directory",
            Self::NoSuchAccount => "there is no such account in the organization's directory",
            Self::Locked => "the account is locked for now, or this network's address is",
            Self::Password => "the name or the password is wrong",
            Self::PasswordEnded => "the password has expired",
            Self::Disabled => "the account is switched off",
            Self::MoreProof => "the account has to sign in anew, with a second factor",
            Self::Device => "this computer is not one that the organization manages",
            Self::DeviceCodeBlocked => {
                "the organization does not allow a sign-in by a code on another device"
            }
            Self::ConditionalAccess => {
                "a policy of the organization (conditional access) forbids it"
            }
            Self::NotApproved => {
                "a policy of the organization (conditional access) does not approve this program"
            }
            Self::NotAssigned => "the account is not among those that may use this program",
            Self::NoAzureDevOps => "the account's directory has no Azure DevOps",
            Self::TenantRestriction => "a policy forbids accounts of other directories",
            Self::Consent => "nobody has allowed this program for the account yet",
            Self::AdminConsent => "an administrator has to allow this program first",
            Self::Declined => "it was declined",
            Self::Ended => "the sign-in was revoked, or has ended",
            Self::CodeUsed => "the code was used already, or has ended",
            Self::CodeUnknown => "it does not know the code, which may be mistyped",
            Self::NoSuchTenant => "there is no such directory, or it does not know this program",
            Self::OtherKindOfAccount => "this kind of account can't sign in there",
            Self::Request => "it did not accept how git vsts asked",
        }
    }
}

/// A refusal of Microsoft's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What it means, if that is known.
    pub meaning: Option<Meaning>,
    /// Its number, as in AADSTS53003.
    pub code: Option<u32>,
    /// The standard's word for it, made visible.
    error: String,
    /// What it said for people, made visible and short.
    description: String,
}

impl Refused {
    /// Reads what was said. Both texts are somebody else's.
    pub fn read(error: &str, description: &str, codes: &[u32]) -> Self {
        let code = codes.first().copied().or_else(|| code_in(description));
        // A number that nobody knows says more in Microsoft's words than the kind of error does in ours.
        let meaning = match code {
            Some(code) => Meaning::of(code),
            None => Meaning::of_error(error),
        };
        // Behind the first line are the numbers of a trace, which say nothing to a person.
        let first = description.lines().next().unwrap_or_default();
        let first = first.split(" Trace ID:").next().unwrap_or_default();
        Self {
            meaning,
            code,
            error: visible_within(error, 60),
            description: visible_within(first.trim(), SHOWN),
        }
    }
}

impl Refused {
    /// Whether the same question would get the same answer.
    pub(super) fn is_end(&self) -> bool {
        match (self.meaning, self.code) {
            // A policy refused, and not the token: on another network, or with another proof, it may be good.
            (
                Some(
                    Meaning::ConditionalAccess
                    | Meaning::NotApproved
                    | Meaning::Device
                    | Meaning::TenantRestriction,
                ),
                _,
            ) => false,
            _ => ["invalid_grant", "interaction_required", "login_required", "consent_required"]
                .contains(&&*self.error),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.meaning, self.code) {
            (Some(meaning), Some(code)) => write!(formatter, "{} (AADSTS{code})", meaning.words()),
            (Some(meaning), None) => formatter.write_str(meaning.words()),
            (None, _) if self.description.is_empty() => formatter.write_str(&self.error),
            (None, _) => write!(formatter, "{}: {}", self.error, self.description),
        }
    }
}

/// The number behind `AADSTS` in a text.
fn code_in(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("AADSTS")?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The body of a refusal ("Error handling", learn.microsoft.com; RFC 6749, section 5.2).
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Body {
    pub error: String,
    #[serde(default)]
    pub error_description: String,
    #[serde(default)]
    pub error_codes: Vec<u32>,
}

impl oauth2::ErrorResponse for Body {}

impl fmt::Display for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Refused::from(self).fmt(formatter)
    }
}

impl From<&Body> for Refused {
    fn from(body: &Body) -> Self {
        Self::read(&body.error, &body.error_description, &body.error_codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_plain_words_with_its_number() {
        for (error, description, codes, shown) in [
            (
                "invalid_grant",
                "AADSTS53003: Access has been blocked by Conditional Access policies.\r\nTrace ID: 1\r\n",
                &[53003][..],
                "a policy of the organization (conditional access) forbids it (AADSTS53003)",
            ),
            (
                "invalid_grant",
                "AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 1",
                &[],
                "the sign-in was revoked, or has ended (AADSTS700082)",
            ),
            ("access_denied", "", &[], "it was declined"),
            (
                "server_error",
                "AADSTS99999: Odd\u{1b}[2J thing. Trace ID: 7 Timestamp: now",
                &[99999],
                "server_error: AADSTS99999: Odd\\x1b[2J thing.",
            ),
            ("strange\nerror", "", &[], "strange\\nerror"),
        ] {
            assert_eq!(Refused::read(error, description, codes).to_string(), shown);
        }
        let long = Refused::read("odd", &"x".repeat(10_000), &[]).to_string();
        assert_eq!(long.chars().count(), "odd: ".len() + SHOWN);
    }
}

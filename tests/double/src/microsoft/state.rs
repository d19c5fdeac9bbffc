//! What Microsoft Entra knows.

use std::time::{Duration, SystemTime};

use super::fault::Fault;
use super::{Redemption, Step};
use crate::names::{is_id, same, stable_id};
use crate::state::State;

/// The public client that Visual Studio and Git Credential Manager sign in as.
const VISUAL_STUDIO: &str = "872cd9fa-d31f-45e0-9eab-6e460a02d1f1";
/// The only redirect that it is known to be registered with.
const LOCALHOST: &str = "http://localhost";
/// Where personal accounts are at home.
pub(crate) const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// Whose tokens a personal account gets when it signs in for Azure DevOps.
pub(crate) const TRANSFER_TENANT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

/// Somebody who can sign in.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) address: String,
    pub(crate) display_name: String,
    /// None: a personal account.
    pub(crate) home: Option<String>,
}

impl Account {
    pub(crate) fn id(&self) -> String {
        stable_id(&["person", &self.address])
    }
}

/// Whose sign-in an address is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    Tenant(String),
    /// `organizations` or `common`.
    Any,
}

/// What a person agreed to.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) account: Account,
    pub(crate) tenant: String,
    pub(crate) client: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) client_info: bool,
    /// The sign-in that this comes from; a reused refresh token ends all that do.
    pub(crate) family: usize,
}

/// A page on which a person is about to sign in.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) authority: Authority,
    pub(crate) client: String,
    pub(crate) redirect: String,
    pub(crate) mode: Mode,
    pub(crate) state: Option<String>,
    pub(crate) challenge: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) client_info: bool,
    pub(crate) hint: Option<String>,
}

/// How the answer comes to the redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Query,
    Fragment,
    FormPost,
}

pub(crate) struct Code {
    pub(crate) secret: String,
    pub(crate) grant: Grant,
    pub(crate) redirect: String,
    pub(crate) challenge: String,
    pub(crate) used: bool,
    pub(crate) until: SystemTime,
}

pub(crate) struct Device {
    pub(crate) secret: String,
    pub(crate) user_code: String,
    pub(crate) authority: Authority,
    pub(crate) client: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) until: SystemTime,
    pub(crate) polls: usize,
    pub(crate) slowed: bool,
    pub(crate) answer: DeviceAnswer,
}

/// What the person at the other device did so far.
#[derive(Clone, Debug)]
pub(crate) enum DeviceAnswer {
    Pending,
    Approved(Box<Grant>),
    Declined,
    /// The code was redeemed.
    Spent,
}

/// What happens at the other device by itself.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    Approve(String),
    Decline,
    Expire,
}

pub(crate) struct RefreshToken {
    pub(crate) secret: String,
    pub(crate) grant: Grant,
    /// It was renewed, and this Microsoft takes each only once.
    pub(crate) spent: bool,
    pub(crate) revoked: bool,
}

/// A fault that a test asked for.
pub(crate) struct Trouble {
    pub(crate) step: Step,
    pub(crate) code: u32,
    pub(crate) times: usize,
}

pub(crate) struct MicrosoftState {
    pub(crate) tenants: Vec<String>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) clients: Vec<String>,
    pub(crate) redirects: Vec<String>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) codes: Vec<Code>,
    pub(crate) devices: Vec<Device>,
    pub(crate) refresh_tokens: Vec<RefreshToken>,
    pub(crate) redemptions: Vec<Redemption>,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) rotates: bool,
    pub(crate) withholds_refresh_tokens: bool,
    /// The parameter that the token endpoint repeats in a refusal.
    pub(crate) echoes: Option<String>,
    pub(crate) access_lifetime: Duration,
    /// `iss` of the answer at the redirect: none, the true one (empty), or that text.
    pub(crate) issuer: Option<String>,
    pub(crate) poll_interval: Option<u64>,
    pub(crate) verification_uri: Option<String>,
    pub(crate) next_user_code: Option<String>,
    pub(crate) slows_down: bool,
    pub(crate) blocks_devices: bool,
    /// After so many polls.
    pub(crate) script: Option<(usize, Script)>,
    pub(crate) families: usize,
}

impl Default for MicrosoftState {
    fn default() -> MicrosoftState {
        MicrosoftState {
            tenants: Vec::new(),
            accounts: Vec::new(),
            clients: vec![VISUAL_STUDIO.to_owned()],
            redirects: vec![LOCALHOST.to_owned()],
            attempts: Vec::new(),
            codes: Vec::new(),
            devices: Vec::new(),
            refresh_tokens: Vec::new(),
            redemptions: Vec::new(),
            troubles: Vec::new(),
            rotates: false,
            withholds_refresh_tokens: false,
            echoes: None,
            access_lifetime: Duration::from_secs(3_599),
            issuer: None,
            poll_interval: Some(5),
            verification_uri: None,
            next_user_code: None,
            slows_down: false,
            blocks_devices: false,
            script: None,
            families: 0,
        }
    }
}

impl MicrosoftState {
    /// The fault that is to happen at this step; counts it.
    pub(crate) fn trouble(&mut self, step: Step) -> Result<(), Fault> {
        let waiting = self.troubles.iter_mut().find(|one| one.step == step && one.times > 0);
        let Some(trouble) = waiting else { return Ok(()) };
        trouble.times -= 1;
        Err(Fault::new(trouble.code))
    }

    /// Whether a test said that somebody with that address has a personal account.
    pub(crate) fn is_personal(&self, address: &str) -> bool {
        self.accounts.iter().any(|known| known.home.is_none() && same(&known.address, address))
    }

    pub(crate) fn end_family(&mut self, family: usize) {
        let of_it = self.refresh_tokens.iter_mut().filter(|token| token.grant.family == family);
        of_it.for_each(|token| token.revoked = true);
    }
}

impl State {
    /// Everybody who can sign in: who was named to Microsoft, and every member of an organization.
    pub(crate) fn accounts(&self) -> Vec<Account> {
        let mut accounts = self.microsoft.accounts.clone();
        for tenants_only in [true, false] {
            // At home where it is a member first; where only organizations of personal accounts
            // have it, it is one.
            let organizations =
                self.organizations.iter().filter(|one| one.tenant.is_some() == tenants_only);
            for organization in organizations {
                for person in &organization.people {
                    if !accounts.iter().any(|known| same(&known.address, &person.account)) {
                        accounts.push(Account {
                            address: person.account.clone(),
                            display_name: person.display_name.clone(),
                            home: organization.tenant.clone(),
                        });
                    }
                }
            }
        }
        accounts
    }

    pub(crate) fn account(&self, address: &str) -> Option<Account> {
        self.accounts().into_iter().find(|account| same(&account.address, address))
    }

    /// The tenant that an address of Microsoft names, by GUID or by the domain of its accounts.
    pub(crate) fn authority(&self, segment: &str) -> Result<Authority, Fault> {
        let lower = segment.to_lowercase();
        match lower.as_str() {
            "organizations" | "common" => return Ok(Authority::Any),
            "consumers" | PERSONAL_TENANT => return Err(Fault::new(9_002_332)),
            ZERO => return Err(Fault::new(900_021)),
            _ => {}
        }
        if is_id(&lower) {
            let of_organizations = self.organizations.iter().filter_map(|one| one.tenant.as_ref());
            let mut known = of_organizations.chain(&self.microsoft.tenants);
            return match known.any(|tenant| same(tenant, &lower)) {
                true => Ok(Authority::Tenant(lower)),
                false => Err(Fault::about(90_002, segment)),
            };
        }
        if !lower.contains('.') {
            return Err(Fault::about(900_023, segment));
        }
        let at_home = |account: &Account| {
            let domain = account.address.split_once('@')?.1.to_lowercase();
            (domain == lower).then(|| account.home.clone())?
        };
        let tenant = self.accounts().iter().find_map(at_home);
        tenant.map(Authority::Tenant).ok_or_else(|| Fault::about(90_002, segment))
    }

    /// The tenant whose token that account gets there.
    pub(crate) fn tenant_for(
        &self,
        account: &Account,
        authority: &Authority,
    ) -> Result<String, Fault> {
        match authority {
            Authority::Any => {
                Ok(account.home.clone().unwrap_or_else(|| TRANSFER_TENANT.to_owned()))
            }
            Authority::Tenant(tenant) => {
                let at_home = account.home.as_deref().is_some_and(|home| same(home, tenant));
                let is_guest = self.organizations.iter().any(|organization| {
                    organization.tenant.as_deref().is_some_and(|other| same(other, tenant))
                        && organization.person(&account.address).is_some()
                });
                match at_home || is_guest {
                    true => Ok(tenant.clone()),
                    false => Err(Fault::new(50_020)),
                }
            }
        }
    }
}

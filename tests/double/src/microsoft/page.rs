//! The pages that a person sees at Microsoft: plain forms without a script, but for the last one,
//! which sends itself on.

use axum::http::header::{CACHE_CONTROL, LOCATION, PRAGMA};
use axum::response::Response;

use super::fault::Fault;
use super::state::{Account, Mode};
use crate::names::encode;
use crate::refusal::{empty, put, respond};

/// A form on which a person says who they are.
pub(crate) struct SignIn<'a> {
    pub(crate) heading: &'a str,
    /// Where the form goes.
    pub(crate) action: &'a str,
    /// What the page is about; the person does not see it.
    pub(crate) context: Option<&'a str>,
    /// The code of another device, as far as it was typed.
    pub(crate) code: Option<&'a str>,
    pub(crate) accounts: &'a [Account],
    /// Who is chosen already.
    pub(crate) hint: Option<&'a str>,
    pub(crate) fault: Option<&'a Fault>,
}

impl SignIn<'_> {
    pub(crate) fn page(&self) -> Response {
        let mut form = String::new();
        if let Some(context) = self.context {
            form += &hidden("ctx", context);
        }
        if let Some(code) = self.code {
            form += &format!(
                "<p><label>Code <input type=\"text\" name=\"code\" value=\"{}\" required></label></p>\n",
                escape(code)
            );
        }
        let chosen = |account: &Account| {
            self.hint.is_some_and(|hint| hint.eq_ignore_ascii_case(&account.address))
        };
        let chosen = self.accounts.iter().position(chosen).unwrap_or(0);
        for (number, account) in self.accounts.iter().enumerate() {
            let checked = if number == chosen { " checked" } else { "" };
            form += &format!(
                "<p><label><input type=\"radio\" name=\"login\" value=\"{address}\"{checked}> \
                 {name}, {address}</label></p>\n",
                address = escape(&account.address),
                name = escape(&account.display_name),
            );
        }
        let fault = self.fault.map(alert).unwrap_or_default();
        let body = format!(
            "<h1>{}</h1>\n{fault}<form method=\"post\" action=\"{}\">\n{form}\
             <p><label>Password <input type=\"password\" name=\"password\" autocomplete=\"off\" required>\
             </label> (any will do)</p>\n\
             <p><button type=\"submit\" name=\"answer\" value=\"sign-in\">Sign in</button>\n\
             <button type=\"submit\" name=\"answer\" value=\"cancel\" formnovalidate>Cancel</button></p>\n\
             </form>",
            escape(self.heading),
            escape(self.action),
        );
        page("Sign in to your account", &body)
    }
}

/// A page that goes nowhere from here.
pub(crate) fn dead_end(fault: &Fault) -> Response {
    let heading = "<h1>Sorry, but we’re having trouble signing you in.</h1>\n";
    page("Sign in to your account", &format!("{heading}{}", alert(fault)))
}

/// The last page at another device.
pub(crate) fn done(text: &str) -> Response {
    page("Sign in to your account", &format!("<h1>{}</h1>", escape(text)))
}

/// Sends the browser on to the redirect with those parameters.
pub(crate) fn answer(mode: Mode, redirect: &str, parameters: &[(&str, String)]) -> Response {
    // Without a path a browser comes to `/`.
    let slash = if redirect.matches('/').count() == 2 { "/" } else { "" };
    let encoded: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let encoded = encoded.join("&");
    match mode {
        Mode::Query => moved(&format!("{redirect}{slash}?{encoded}")),
        Mode::Fragment => moved(&format!("{redirect}{slash}#{encoded}")),
        Mode::FormPost => {
            let inputs: String =
                parameters.iter().map(|(name, value)| hidden(name, value)).collect();
            let body = format!(
                "<form method=\"post\" name=\"hiddenform\" action=\"{}\">\n{inputs}<noscript>\
                 <p>Script is disabled. Click Submit to continue.</p>\
                 <button type=\"submit\">Submit</button></noscript></form>\n\
                 <script>document.forms[0].submit();</script>",
                escape(&format!("{redirect}{slash}"))
            );
            page("Working...", &body)
        }
    }
}

fn moved(location: &str) -> Response {
    let mut response = empty(302);
    put(&mut response, LOCATION, location);
    not_kept(response)
}

fn alert(fault: &Fault) -> String {
    format!("<pre role=\"alert\">{}</pre>\n", escape(&fault.description()))
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escape(value))
}

fn page(title: &str, body: &str) -> Response {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n{body}\n</body></html>\n"
    );
    not_kept(respond(200, "text/html; charset=utf-8", page))
}

/// Nothing of a sign-in may stay in a cache.
pub(crate) fn not_kept(mut response: Response) -> Response {
    put(&mut response, CACHE_CONTROL, "no-store, no-cache");
    put(&mut response, PRAGMA, "no-cache");
    response
}

/// Text between tags and in attributes with double quotes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Takes [`escape`] back.
pub(crate) fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
}

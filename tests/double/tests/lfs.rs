//! The double's Git LFS, spoken to as git-lfs speaks.

mod common;

use common::{Reply, ask};
use double::{Double, Organization, Token};
use serde_json::{Value, json};

const KIND: &str = "application/vnd.git-lfs+json";
const CONTENT: &[u8] = b"hello\n";
/// Its SHA-256.
const HELLO: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
/// Of something else.
const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

struct Shop {
    double: Double,
    contoso: Organization,
    token: String,
}

impl Shop {
    fn new() -> Shop {
        let double = Double::start();
        let contoso = double.organization("contoso");
        contoso.repository("shop", "web");
        let token = contoso.token(Token::new().scopes("vso.code_write"));
        Shop { double, contoso, token }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let path = format!("/contoso/shop/_git/{path}");
        let request = ask(method, &path).header("Accept", KIND).token(&self.token).json(body);
        request.send(self.double.url())
    }

    fn batch(&self, operation: &str, id: &str, size: u64) -> Reply {
        let body = json!({"operation": operation, "objects": [{"oid": id, "size": size}]});
        self.send("POST", "web.git/info/lfs/objects/batch", &body)
    }

    /// A batch for one object, and what is to be done about it.
    fn action(&self, operation: &str, id: &str, size: u64) -> Value {
        let reply = self.batch(operation, id, size);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(KIND)), "{reply:?}");
        let mut answer = reply.json();
        assert_eq!(answer["transfer"], "basic");
        answer["objects"][0].take()
    }

    fn put(&self, content: &[u8]) -> u16 {
        let path = format!("/contoso/shop/_git/web/info/lfs/objects/{HELLO}");
        let request = ask("PUT", &path).token(&self.token).bytes(content.to_vec());
        request.send(self.double.url()).status
    }
}

#[test]
fn what_was_uploaded_is_there_to_be_downloaded() {
    let shop = Shop::new();
    let url = format!("{}/contoso/shop/_git/web/info/lfs/objects/{HELLO}", shop.double.url());
    let error = json!({"code": 404, "message": "there is no such object"});
    assert_eq!(shop.action("download", HELLO, 6), json!({"oid": HELLO, "size": 6, "error": error}));
    assert_eq!(
        shop.action("upload", HELLO, 6),
        json!({"oid": HELLO, "size": 6,
               "actions": {"upload": {"href": url}, "verify": {"href": format!("{url}/verify")}}})
    );
    let verify = |size: u64| {
        let path = format!("web/info/lfs/objects/{HELLO}/verify");
        shop.send("POST", &path, &json!({"oid": HELLO, "size": size})).status
    };
    assert_eq!(verify(6), 404);
    assert_eq!(shop.put(CONTENT), 200);
    assert_eq!((verify(6), verify(7)), (200, 422));
    assert_eq!(shop.contoso.lfs_objects("shop", "web"), [HELLO]);

    assert_eq!(shop.action("upload", HELLO, 6), json!({"oid": HELLO, "size": 6}));
    assert_eq!(
        shop.action("download", HELLO, 6),
        json!({"oid": HELLO, "size": 6, "actions": {"download": {"href": url}}})
    );
    let path = format!("/contoso/shop/_git/web/info/lfs/objects/{HELLO}");
    let reply = ask("GET", &path).token(&shop.token).send(shop.double.url());
    assert_eq!((reply.status, reply.body.as_slice()), (200, CONTENT));
    // Each repository has its own.
    shop.contoso.repository("shop", "other");
    assert_eq!(shop.contoso.lfs_objects("shop", "other"), [""; 0]);
}

#[test]
fn content_that_is_not_what_it_is_called_is_not_kept() {
    let shop = Shop::new();
    assert_eq!(shop.put(b"hello"), 422);
    assert_eq!(shop.contoso.lfs_objects("shop", "web"), [""; 0]);
    assert_eq!(shop.put(CONTENT), 200);
    for (operation, id, size, code) in [
        ("download", HELLO, 5, 422),
        ("upload", HELLO, 7, 422),
        ("download", OTHER, 6, 404),
        ("upload", "../../../config", 6, 422),
        ("download", &HELLO.to_uppercase(), 6, 422),
    ] {
        assert_eq!(shop.action(operation, id, size)["error"]["code"], code, "{operation} {id}");
    }
    for id in [OTHER, "..%2F..%2F..%2Fconfig", ""] {
        let path = format!("/contoso/shop/_git/web/info/lfs/objects/{id}");
        let reply = ask("GET", &path).token(&shop.token).send(shop.double.url());
        assert_eq!(reply.status, 404, "{id}");
    }
    // The last of them is no address of Git LFS.
    shop.double.expect_unserved();
}

#[test]
fn a_batch_that_can_not_be_answered_is_refused_as_a_whole() {
    let shop = Shop::new();
    let objects = json!([{"oid": HELLO, "size": 6}]);
    for (body, status) in [
        (json!({"operation": "upload", "transfers": ["tus", "basic"], "objects": objects}), 200),
        (json!({"operation": "upload", "hash_algo": "sha256", "objects": objects}), 200),
        (json!({"operation": "upload", "transfers": ["tus"], "objects": objects}), 409),
        (json!({"operation": "upload", "hash_algo": "sha512", "objects": objects}), 409),
        (json!({"operation": "remove", "objects": objects}), 422),
        (json!({"operation": "upload", "objects": [{"oid": HELLO}]}), 422),
        (json!({"operation": "upload"}), 422),
        (json!(null), 422),
    ] {
        let reply = shop.send("POST", "web/info/lfs/objects/batch", &body);
        assert_eq!(reply.status, status, "{body}");
    }
    let path = "/contoso/shop/_git/web/info/lfs/objects/batch";
    let body = json!({"operation": "upload", "objects": objects});
    let reply = ask("POST", path).token(&shop.token).json(&body).send(shop.double.url());
    assert_eq!(reply.status, 406);
}

#[test]
fn it_is_open_to_whom_git_is_open() {
    let shop = Shop::new();
    assert_eq!(shop.put(CONTENT), 200);
    let read_only = shop.contoso.token(Token::new().scopes("vso.code"));
    let revoked = shop.contoso.token(Token::new());
    shop.contoso.revoke(&revoked);
    let foreign = shop.double.organization("fabrikam").token(Token::new());
    let object = format!("objects/{HELLO}");
    let batch =
        |operation: &str| json!({"operation": operation, "objects": [{"oid": HELLO, "size": 6}]});
    for (method, path, body, reads) in [
        ("POST", "objects/batch", batch("download"), 200),
        ("GET", &object, Value::Null, 200),
        ("POST", "objects/batch", batch("upload"), 401),
        ("PUT", &object, Value::Null, 401),
        ("POST", "locks/verify", json!({}), 401),
    ] {
        let path = format!("/contoso/shop/_git/web.git/info/lfs/{path}");
        let request = ask(method, &path).header("Accept", KIND).json(&body);
        let status = |token: &str| request.clone().token(token).send(shop.double.url()).status;
        assert_eq!(status(&read_only), reads, "{method} {path} {body}");
        assert_eq!([status(&revoked), status(&foreign), status("unknown")], [401; 3]);
        let reply = request.clone().send(shop.double.url());
        // git-lfs asks a helper only where it is told that this is Basic.
        let challenges = reply.all("www-authenticate");
        assert!(challenges.iter().any(|line| line.starts_with("Basic ")), "{challenges:?}");
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (401, Some("text/html; charset=utf-8"))
        );
    }
}

#[test]
fn the_suffix_that_git_lfs_adds_leads_to_the_repository_without_it() {
    let shop = Shop::new();
    let _ = shop.contoso.repository("shop", "bare.git");
    let _ = shop.contoso.repository("tools", "tools");
    for (path, status) in [
        ("shop/_git/web", 200),
        ("shop/_git/web.git", 200),
        ("shop/_git/_full/web.git", 200),
        ("shop/_git/bare.git", 200),
        // git-lfs adds none where there is one, and it is another repository.
        ("shop/_git/bare", 404),
        ("_git/tools", 200),
        ("_git/tools.git", 200),
        ("shop/_git/web.git.git", 404),
    ] {
        let path = format!("/contoso/{path}/info/lfs/locks/verify");
        let request = ask("POST", &path).header("Accept", KIND).token(&shop.token);
        let reply = request.json(&json!({})).send(shop.double.url());
        assert_eq!(reply.status, status, "{path}");
        if status == 200 {
            assert_eq!(reply.json(), json!({"ours": [], "theirs": []}));
        }
    }
}

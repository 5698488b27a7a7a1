use super::*;

const CERTIFICATE: &[u8] = include_bytes!("../../tests/data/certificate.pem");
const PUBLIC_KEY: &[u8] = include_bytes!("../../tests/data/public-key.pem");
const KEY: &str = include_str!("../../tests/data/private-key.pem");
const KEY_PKCS1: &str = include_str!("../../tests/data/private-key-pkcs1.pem");
const OTHER_KEY: &str = include_str!("../../tests/data/other-private-key.pem");
const SHORT: &[u8] = include_bytes!("../../tests/data/short-certificate.pem");
const ELLIPTIC: &[u8] = include_bytes!("../../tests/data/ec-certificate.pem");
/// As `openssl x509 -fingerprint -sha1` names it.
const FINGERPRINT: [u8; 20] = [
    0xC9, 0xA4, 0xEE, 0x1B, 0x05, 0x7A, 0x2F, 0x8F, 0x29, 0xFF, 0x33, 0xAB, 0xEC, 0x20, 0x2E, 0xF1,
    0x60, 0x9D, 0x07, 0x1C,
];

#[test]
fn a_certificate_is_read_with_its_key() {
    for key in [KEY, KEY_PKCS1] {
        let certificate = Certificate::from_pem(CERTIFICATE, Secret::new(key)).unwrap();
        assert_eq!(
            certificate.thumbprint(),
            URL_SAFE_NO_PAD.encode(FINGERPRINT)
        );
        let year = certificate.expires_micros().unwrap() / 1_000_000 / 31_556_952 + 1970;
        assert_eq!(year, 2126);
    }
    let chain = [ELLIPTIC, CERTIFICATE].concat();
    assert!(
        Certificate::from_pem(&chain, Secret::new(KEY)).is_err(),
        "the first one counts"
    );
}

#[test]
fn what_is_no_certificate_with_its_key_says_why() {
    for (certificate, key, message) in [
        (
            &b"none"[..],
            KEY,
            "the certificate cannot be used: it is no certificate in PEM",
        ),
        (
            KEY.as_bytes(),
            KEY,
            "the certificate cannot be used: it is no certificate in PEM",
        ),
        (
            SHORT,
            KEY,
            "the certificate cannot be used: its key has less than 2048 bits",
        ),
        (
            ELLIPTIC,
            KEY,
            "the certificate cannot be used: its key is not RSA",
        ),
        (
            CERTIFICATE,
            OTHER_KEY,
            "the private key cannot be used: it is not the key of this certificate",
        ),
        (
            CERTIFICATE,
            "secret-marker",
            "the private key cannot be used: it is no RSA key in PEM, PKCS#8 or PKCS#1, without a password",
        ),
    ] {
        let error = Certificate::from_pem(certificate, Secret::new(key)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn an_assertion_is_verified_by_the_public_key_and_names_the_certificate() {
    let certificate = Certificate::from_pem(CERTIFICATE, Secret::new(KEY)).unwrap();
    let client_id = Uuid::from_u128(1);
    let endpoint = "https://login.microsoftonline.com/t/oauth2/v2.0/token";
    let now = 1_791_460_800_000_000;
    let assertion = certificate
        .assertion(endpoint, client_id, Uuid::from_u128(2), now)
        .unwrap();

    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[endpoint]);
    rules.validate_exp = false;
    let key = DecodingKey::from_rsa_pem(PUBLIC_KEY).unwrap();
    let token =
        jsonwebtoken::decode::<serde_json::Value>(assertion.expose(), &key, &rules).unwrap();
    assert_eq!(token.header.x5t, Some(URL_SAFE_NO_PAD.encode(FINGERPRINT)));
    assert_eq!(
        token.claims,
        serde_json::json!({
            "aud": endpoint,
            "iss": client_id.to_string(),
            "sub": client_id.to_string(),
            "jti": Uuid::from_u128(2).to_string(),
            "nbf": 1_791_460_740,
            "exp": 1_791_461_400,
        })
    );
}

#[test]
fn no_secret_is_shown_by_a_credential() {
    let certificate = Certificate::from_pem(CERTIFICATE, Secret::new(KEY)).unwrap();
    let part_of_key = KEY.lines().nth(3).unwrap();
    for credential in [
        Credential::ClientSecret(Secret::new("secret-marker")),
        Credential::AccessToken(Secret::from("secret-marker".to_owned())),
        Credential::Certificate(certificate),
    ] {
        let shown = format!("{credential:?} {credential:#?}");
        assert!(
            !shown.contains("secret-marker") && !shown.contains(part_of_key),
            "{shown}"
        );
    }
}

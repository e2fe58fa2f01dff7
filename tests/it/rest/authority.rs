//! Certificates to order.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod, SslVersion};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

const DAY: i64 = 86_400;

/// When the tests were written, in seconds since 1970: long ago enough for every clock.
const LONG_AGO: i64 = 1_700_000_000;

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: X509,
    key: PKey<Private>,
}

/// A certificate in the making: for the IP address 127.0.0.1, signed by itself, valid for a long time.
#[must_use]
pub(crate) struct Making<'a> {
    name: &'a str,
    host: &'a str,
    signer: Option<&'a Identity>,
    days: i64,
}

pub(crate) fn certificate(name: &str) -> Making<'_> {
    Making {
        name,
        host: "IP:127.0.0.1",
        signer: None,
        days: 36_500,
    }
}

impl<'a> Making<'a> {
    pub(crate) fn signed_by(mut self, signer: &'a Identity) -> Self {
        self.signer = Some(signer);
        self
    }

    /// For another host, as `IP:ADDRESS` or `DNS:NAME`.
    pub(crate) fn host(mut self, host: &'a str) -> Self {
        self.host = host;
        self
    }

    /// Valid for one day of long ago.
    pub(crate) fn expired(mut self) -> Self {
        self.days = 1;
        self
    }

    pub(crate) fn server(self) -> Identity {
        self.build(false)
    }

    pub(crate) fn authority(self) -> Identity {
        self.build(true)
    }

    fn build(self, authority: bool) -> Identity {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", self.name).unwrap();
        let name = name.build();
        let mut serial = BigNum::new().unwrap();
        serial
            .rand(127, openssl::bn::MsbOption::MAYBE_ZERO, false)
            .unwrap();
        let at = |time| Asn1Time::from_unix(time).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder
            .set_serial_number(&serial.to_asn1_integer().unwrap())
            .unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&at(LONG_AGO)).unwrap();
        builder
            .set_not_after(&at(LONG_AGO + self.days * DAY))
            .unwrap();
        let issuer = self.signer.map(|signer| signer.certificate.subject_name());
        builder.set_issuer_name(issuer.unwrap_or(&name)).unwrap();
        let mut constraints = BasicConstraints::new();
        if authority {
            constraints.ca();
        }
        builder
            .append_extension(constraints.critical().build().unwrap())
            .unwrap();
        let mut hosts = SubjectAlternativeName::new();
        match self.host.split_once(':').unwrap() {
            ("IP", address) => hosts.ip(address),
            (_, name) => hosts.dns(name),
        };
        let issuer = self.signer.map(|signer| &signer.certificate);
        let context = builder.x509v3_context(issuer.map(AsRef::as_ref), None);
        let hosts = hosts.build(&context).unwrap();
        builder.append_extension(hosts).unwrap();
        let signer = self.signer.map_or(&key, |signer| &signer.key);
        builder.sign(signer, MessageDigest::sha256()).unwrap();
        Identity {
            certificate: builder.build(),
            key,
        }
    }
}

impl Identity {
    /// The fingerprint as `openssl x509 -fingerprint -sha256` prints it.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = self.certificate.digest(MessageDigest::sha256()).unwrap();
        let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("sha256:{}", bytes.join(":"))
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    /// What speaks TLS as the holder of the key.
    pub(crate) fn acceptor(&self) -> SslAcceptor {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_certificate(&self.certificate).unwrap();
        acceptor.set_private_key(&self.key).unwrap();
        acceptor.build()
    }

    /// What speaks TLS as the holder of the key, in a version that nobody should use any more.
    pub(crate) fn old_acceptor(&self) -> SslAcceptor {
        let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).unwrap();
        acceptor.set_certificate(&self.certificate).unwrap();
        acceptor.set_private_key(&self.key).unwrap();
        acceptor
            .set_max_proto_version(Some(SslVersion::TLS1_1))
            .unwrap();
        acceptor.build()
    }
}

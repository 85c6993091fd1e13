//! The services that have acceptance checks: one row and one file each, all of one shape.
//!
//! A row makes the checks of its service from what the estate promises. The checks say which clients they need and are
//! made with those. None of them knows a role, a variable or a default.

use tasks::promise::Promises;

use super::{Checks, Surroundings, backup, calendar, dns, dynamic_dns, mail, web};

/// Why dynamic DNS is not checked on servers.
const RECORD: &str = "its check makes a record wrong and sees it set right, and meanwhile a real name would lead nowhere; `prov up` proves it in an \
     estate of containers";

/// A row of the table.
#[derive(Debug)]
pub struct Service {
    /// Its name, as in an estate's `services`.
    pub name: &'static str,
    /// Makes its checks from what is promised, or says what is missing.
    pub checks: fn(&Promises, &Surroundings<'_>) -> Checks,
    /// Why they are not made on servers, where they are not.
    pub not_on_servers: Option<&'static str>,
}

/// Every service that has acceptance checks.
pub const SERVICES: [Service; 6] = [
    Service {
        name: backup::SERVICE,
        checks: backup::checks,
        not_on_servers: None,
    },
    Service {
        name: calendar::SERVICE,
        checks: calendar::checks,
        not_on_servers: None,
    },
    Service {
        name: dns::SERVICE,
        checks: dns::checks,
        not_on_servers: None,
    },
    Service {
        name: dynamic_dns::SERVICE,
        checks: dynamic_dns::checks,
        not_on_servers: Some(RECORD),
    },
    Service {
        name: mail::SERVICE,
        checks: mail::checks,
        not_on_servers: None,
    },
    Service {
        name: web::SERVICE,
        checks: web::checks,
        not_on_servers: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Writes;

    #[test]
    fn a_service_that_nothing_is_promised_of_says_what_is_missing_and_what_to_do() {
        let surroundings = Surroundings {
            stand_ins: &[],
            upstream_name: None,
            writes: Writes::Everything,
        };
        let missing = |service: &Service| {
            let made = (service.checks)(&Promises::default(), &surroundings);
            (service.name, made.err())
        };
        let told: Vec<_> = SERVICES
            .iter()
            .map(missing)
            .map(|(name, missing)| {
                let missing = missing.unwrap_or_else(|| panic!("{name} has checks of nothing"));
                format!("{name}: {missing} ({})", missing.nothing_promised)
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn the_rows_are_in_the_order_of_their_names() {
        assert!(SERVICES.map(|service| service.name).is_sorted());
    }
}

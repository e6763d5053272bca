//! An order, with a name, dates, a decimal and a boolean.

use std::io::{self, Write};

use crate::format::Format;

const FIRST_NAMES: [&str; 8] = ["Ada", "Bruno", "Chiara", "Dmitri", "Élodie", "Farid", "Grace", "Hanako"];
const LAST_NAMES: [&str; 8] =
    ["Andersen", "Baptiste", "Castellano", "Dvořák", "Eriksson", "Ferreira", "Goldberg", "Hasegawa"];
const COUNTRIES: [&str; 6] = ["DE", "FR", "JP", "BR", "US", "SE"];
const NOTES: [&str; 4] =
    ["", "leave at the door", "gift, do not include the invoice", "call before delivery"];

/// The names of the columns, in their order.
pub(crate) const COLUMNS: [&str; 10] = [
    "order_id",
    "customer",
    "email",
    "country",
    "ordered_on",
    "shipped_at",
    "quantity",
    "amount",
    "paid",
    "note",
];

/// An order.
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) customer: (&'static str, &'static str),
    pub(crate) account: u32,
    pub(crate) country: &'static str,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) quantity: u8,
    pub(crate) amount: (u32, u8),
    pub(crate) paid: bool,
    pub(crate) note: &'static str,
}

impl Order {
    pub(crate) fn random(id: u64, random: &mut fastrand::Rng) -> Self {
        let first = FIRST_NAMES[random.usize(..FIRST_NAMES.len())];
        let last = LAST_NAMES[random.usize(..LAST_NAMES.len())];
        Self {
            id,
            customer: (first, last),
            account: random.u32(..1_000_000),
            country: COUNTRIES[random.usize(..COUNTRIES.len())],
            month: random.u8(1..=12),
            day: random.u8(1..=28),
            hour: random.u8(..24),
            minute: random.u8(..60),
            quantity: random.u8(1..=40),
            amount: (random.u32(1..5_000), random.u8(..100)),
            paid: random.bool(),
            note: NOTES[random.usize(..NOTES.len())],
        }
    }

    pub(crate) fn customer(&self) -> String {
        format!("{} {}", self.customer.0, self.customer.1)
    }

    pub(crate) fn email(&self) -> String {
        format!("customer-{}@example.com", self.account)
    }

    /// As a line of JSON, or of CSV.
    pub(crate) fn text(&self, line: &mut Vec<u8>, format: Format) -> io::Result<()> {
        let Self { id, customer: (first, last), account, country, note, paid, quantity, .. } = self;
        let Self { month, day, hour, minute, amount: (whole, cents), .. } = self;
        if format == Format::Jsonl {
            return writeln!(
                line,
                "{{\"order_id\":{id},\"customer\":\"{first} {last}\",\"email\":\"customer-{account}@example.com\",\
                 \"country\":\"{country}\",\"ordered_on\":\"2026-{month:02}-{day:02}\",\
                 \"shipped_at\":\"2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z\",\"quantity\":{quantity},\
                 \"amount\":{whole}.{cents:02},\"paid\":{paid},\"note\":\"{note}\"}}"
            );
        }
        let quote = if note.contains(',') { "\"" } else { "" };
        writeln!(
            line,
            "{id},{first} {last},customer-{account}@example.com,{country},2026-{month:02}-{day:02},\
             2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z,{quantity},{whole}.{cents:02},{paid},\
             {quote}{note}{quote}"
        )
    }
}

//! What happened, counted.

use std::ops::{AddAssign, Sub};

use serde::Serialize;

use crate::Moment;

/// Something that happened in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When, by the simulated clock.
    pub at: Moment,
    /// What.
    pub kind: Kind,
    /// The key it happened to, where it is one.
    pub key: Option<i32>,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident $field:ident = $words:literal;)*) => {
        /// A kind of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[doc = $doc])* $kind,)*
        }

        impl Kind {
            /// What it is, in words.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$kind => $words,)*
                }
            }
        }

        /// How often each kind of event happened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Counts {
            $($(#[doc = $doc])* pub $field: u64,)*
            /// The most payments that were made under one timestamp.
            pub largest_tie: u64,
        }

        impl Counts {
            /// The kinds in words, with their counts.
            #[must_use]
            pub fn lines(&self) -> Vec<(&'static str, u64)> {
                vec![$(($words, self.$field),)* ("payments made at most under one timestamp", self.largest_tie)]
            }

            pub(crate) fn count(&mut self, kind: Kind, times: u64) {
                match kind {
                    $(Kind::$kind => self.$field += times,)*
                }
            }
        }

        /// Counts of another stretch are added.
        impl AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$field += other.$field;)*
                self.largest_tie = self.largest_tie.max(other.largest_tie);
            }
        }

        /// What happened since; the largest tie is that of the whole time.
        impl Sub for Counts {
            type Output = Self;

            fn sub(self, before: Self) -> Self {
                Self { $($field: self.$field - before.$field,)* largest_tie: self.largest_tie }
            }
        }
    };
}

kinds! {
    /// A sales order with its transaction and payment.
    Sale sales = "sales orders";
    /// A purchase order with its transaction and payment.
    Purchase purchases = "purchase orders";
    /// A new design.
    Design designs = "designs";
    /// A batch of payments at 07:55.
    PaymentBatch payment_batches = "07:55 batches";
    /// A payment made.
    Payment payments = "payments made";
    /// A sales order changed silently.
    SilentSale silent_sales = "sales orders changed silently";
    /// A purchase order changed silently.
    SilentPurchase silent_purchases = "purchase orders changed silently";
    /// A design changed silently.
    SilentDesign silent_designs = "designs changed silently";
    /// An order changed silently, to be changed back.
    There there = "orders changed for a while";
    /// That order as it was before.
    Back back = "orders changed back";
    /// A transaction that committed after a later-stamped one.
    LateCommit late_commits = "late commits";
    /// A transaction that wrote inside a savepoint, after rolling one back.
    Savepoint savepoints = "transactions with savepoints";
    /// An address changed.
    Address addresses = "addresses changed";
    /// A department changed.
    Department departments = "departments changed";
    /// An order deleted; its transaction stays.
    OrderDeleted orders_deleted = "orders deleted";
    /// A payment deleted; its transaction stays.
    PaymentDeleted payments_deleted = "payments deleted";
    /// A transaction deleted with its payment; the order stays.
    TransactionDeleted transactions_deleted = "transactions deleted with their payments";
    /// An order deleted with its transaction and payment.
    AllDeleted all_deleted = "orders deleted with transaction and payment";
    /// A transaction that lost its order to the foreign key, silently.
    LinkNulled links_nulled = "transactions that lost their order";
    /// What was deleted came back under its key.
    Returned returned = "deletions that came back";
}

impl Counts {
    /// Deletions of every kind.
    #[must_use]
    pub fn deletions(&self) -> u64 {
        self.orders_deleted + self.payments_deleted + self.transactions_deleted + self.all_deleted
    }
}

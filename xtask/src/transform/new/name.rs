//! Which names a star of one's own may have.

use anyhow::Result;

use crate::guests::GUESTS;
use crate::hint::advise;

/// The longest name, in bytes: the warehouse makes `_totesys_fact_<table>_deletions` of it, and PostgreSQL keeps 63
/// bytes of that.
const LONGEST: usize = 63 - "_totesys_fact__deletions".len();

/// What a crate cannot be called in Rust.
const WORDS: &str = "\
    abstract alloc as async await become box break const continue core crate do dyn else enum extern false final \
    fn for gen if impl in let loop macro match mod move mut override priv proc-macro pub ref return self static \
    std struct super test trait true try type typeof unsafe unsized use virtual where while yield";

/// Facts of the bundled stars, without `fact_`.
const FACTS: &[&str] = &["sales_order", "purchase_order", "payment"];

/// Refuses a name that a star cannot have, or should not; `lock` is the lock file it would be built with.
pub(super) fn check(name: &str, lock: &str) -> Result<()> {
    let refuse = |why: String, hint: &str| Err(advise(why, hint));
    if GUESTS.contains(&name) {
        return refuse(format!("`{name}` is a component of this checkout"), "give the star another name");
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || !name.bytes().all(plain) || name.ends_with('-') || name.contains("--") {
        return refuse(
            format!("`{name}` cannot be the name of a star"),
            "a name is lower-case words of letters and digits with single hyphens between them, such as design-sales",
        );
    }
    if name.len() > LONGEST {
        return refuse(
            format!("`{name}` is too long for the name of a star"),
            &format!(
                "`_totesys_fact_<table>_deletions` must have at most 63 bytes: take {LONGEST} characters or fewer"
            ),
        );
    }
    if WORDS.split(' ').any(|word| word == name) {
        return refuse(format!("`{name}` is a word of Rust"), "give the star another name");
    }
    if FACTS.contains(&table(name).as_str()) {
        let fact = format!("fact_{}", table(name));
        return refuse(format!("`{fact}` is the table of another star"), "give the star another name");
    }
    if lock.lines().any(|line| line.strip_prefix("name = ").is_some_and(|quoted| quoted.trim_matches('"') == name)) {
        return refuse(
            format!("`{name}` is the name of a crate that stars are built with"),
            "give the star another name, such as one of two words",
        );
    }
    Ok(())
}

/// The name as a part of a table's name, and of the library's.
pub(super) fn table(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint;

    #[test]
    fn names() {
        let lock = "[[package]]\nname = \"arrow-array\"\nversion = \"60.1.0\"\n";
        for good in ["a", "design-sales", "margin2", "sales-orders", &"a".repeat(39)] {
            check(good, lock).unwrap();
        }
        for (bad, problem) in [
            ("", "`` cannot be the name of a star"),
            ("Margins", "`Margins` cannot be the name of a star"),
            ("two_words", "`two_words` cannot be the name of a star"),
            ("2nd", "`2nd` cannot be the name of a star"),
            ("-a", "`-a` cannot be the name of a star"),
            ("a-", "`a-` cannot be the name of a star"),
            ("a--b", "`a--b` cannot be the name of a star"),
            ("../up", "`../up` cannot be the name of a star"),
            ("größe", "`größe` cannot be the name of a star"),
            ("match", "`match` is a word of Rust"),
            ("sales", "`sales` is a component of this checkout"),
            ("picky", "`picky` is a component of this checkout"),
            ("sales-order", "`fact_sales_order` is the table of another star"),
            ("arrow-array", "`arrow-array` is the name of a crate that stars are built with"),
        ] {
            let error = check(bad, lock).unwrap_err();
            assert_eq!(error.to_string(), problem);
            assert!(hint::of(&error).is_some());
        }
        let error = check(&"a".repeat(40), lock).unwrap_err();
        assert!(error.to_string().ends_with("is too long for the name of a star"), "{error}");
        let hint = hint::of(&error).unwrap();
        assert!(hint.contains("_totesys_fact_<table>_deletions") && hint.contains("take 39 characters"), "{hint}");
        assert_eq!(format!("_totesys_fact_{}_deletions", table(&"a".repeat(39))).len(), 63);
    }
}

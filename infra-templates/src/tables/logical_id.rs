//! Logical ids from the names of tables, which are data. Another id would be another resource, so the way from a name
//! to its id never changes, and no two names have one id.

/// An id of letters and digits. Each part of a name that `_` divides begins with a capital: `fact_sales_order` gives
/// `FactSalesOrder`. What that cannot say is `X` and two hex digits for each byte; a part that begins with `x` is
/// written so too, so that `X` always stands for a byte and the name can be read back.
pub(super) fn of(name: &str) -> String {
    let mut id = String::with_capacity(name.len());
    let mut bytes = std::iter::once(b'_').chain(name.bytes()).peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => id.push(char::from(byte)),
            b'_' if matches!(bytes.peek(), Some(b'a'..=b'w' | b'y' | b'z')) => {
                let first = bytes.next().unwrap_or_default();
                id.push(char::from(first.to_ascii_uppercase()));
            }
            other => id.push_str(&format!("X{other:02x}")),
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn ids_read_like_their_names() {
        for (name, id) in [
            ("fact_sales_order", "FactSalesOrder"),
            ("dim_date", "DimDate"),
            ("lake_keys_order_x20details", "LakeKeysOrderX5fx20details"),
            ("x_ray", "X5fxRay"),
            ("a_2", "AX5f2"),
            ("_a", "X5fA"),
        ] {
            assert_eq!(of(name), id);
        }
    }

    #[test]
    fn no_two_names_have_one_id() {
        // Every name of up to five of the characters that matter.
        let letters = ['a', 'x', '_', '5', 'f'];
        let mut names = vec![String::new()];
        let mut ids = BTreeMap::new();
        for _ in 0..5 {
            names = names.iter().flat_map(|name| letters.map(|letter| format!("{name}{letter}"))).collect();
            for name in &names {
                let id = of(name);
                assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
                if let Some(other) = ids.insert(id, name.clone()) {
                    panic!("`{other}` and `{name}` have one id");
                }
            }
        }
    }
}

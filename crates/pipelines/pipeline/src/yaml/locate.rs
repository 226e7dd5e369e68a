//! The line of a key in a YAML text, for errors that are found after parsing.
//!
//! Block style is followed by indentation. In flow style (`{a: 1}`) the line of the nearest key
//! that could be followed is given.

/// The line, from 1, of the key that `path` leads to.
pub fn locate(text: &str, path: &[&str]) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let (mut from, mut found, mut parent) = (0, 1, None::<usize>);
    for key in path {
        // The first deeper line says how deep the children are.
        let mut depth = None;
        let mut next = None;
        for (k, line) in lines.iter().enumerate().skip(from) {
            let body = line.trim_start();
            if body.is_empty() || body.starts_with('#') || body.starts_with("---") {
                continue;
            }
            let indent = line.len() - body.len();
            if parent.is_some_and(|p| indent <= p) {
                break;
            }
            let depth = *depth.get_or_insert(indent);
            if indent == depth && starts_with_key(body, key) {
                next = Some((k, indent));
                break;
            }
        }
        let Some((k, indent)) = next else { break };
        (from, found, parent) = (k + 1, k + 1, Some(indent));
    }
    found
}

fn starts_with_key(body: &str, key: &str) -> bool {
    let plain = |b: &str| b.strip_prefix(key).is_some_and(|r| r.trim_start().starts_with(':'));
    let quoted = |q: char| {
        let rest = body.strip_prefix(q).and_then(|b| b.strip_prefix(key));
        rest.and_then(|b| b.strip_prefix(q)).is_some_and(|r| r.trim_start().starts_with(':'))
    };
    plain(body) || quoted('"') || quoted('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_followed_by_their_indentation() {
        let text = "name: x\n# a: b\nsteps:\n  isr:\n    config:\n      task: 1\n    task: isr\n  'find':\n    task: find\nother: {isr: 1}\n";
        assert_eq!(locate(text, &["steps", "isr", "task"]), 7);
        assert_eq!(locate(text, &["steps", "find", "task"]), 9);
        assert_eq!(locate(text, &["steps", "isr", "config", "task"]), 6);
        assert_eq!(locate(text, &["steps", "find", "config"]), 8);
        assert_eq!(locate(text, &["other", "isr"]), 10);
        assert_eq!(locate(text, &["nothing"]), 1);
        assert_eq!(locate("", &["nothing"]), 1);
    }
}

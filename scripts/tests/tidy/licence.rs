//! Licence expressions (SPDX): may what they cover be used in a work under MIT or Apache-2.0?

/// Permissive ones. A licence that asks for more, MPL-2.0 for each changed file, is added by decision and not by habit.
const COMPATIBLE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Whether every part of the expression that must hold names a compatible licence.
pub(crate) fn is_compatible(expression: &str) -> bool {
    // `MIT/Apache-2.0` is the old way to write OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = Words { words: spaced.split_whitespace().collect(), at: 0 };
    let compatible = words.either();
    compatible && words.at == words.words.len()
}

/// OR binds looser than AND, and AND looser than WITH.
struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl Words<'_> {
    fn took(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is_next);
        is_next
    }

    fn either(&mut self) -> bool {
        let mut compatible = self.all();
        while self.took("OR") {
            compatible |= self.all();
        }
        compatible
    }

    fn all(&mut self) -> bool {
        let mut compatible = self.one();
        while self.took("AND") {
            compatible &= self.one();
        }
        compatible
    }

    fn one(&mut self) -> bool {
        if self.took("(") {
            let compatible = self.either();
            return self.took(")") && compatible;
        }
        let mut name = self.word();
        if self.took("WITH") {
            name = format!("{name} WITH {}", self.word());
        }
        COMPATIBLE.contains(&name.as_str())
    }

    fn word(&mut self) -> String {
        self.at += 1;
        self.words.get(self.at - 1).copied().unwrap_or_default().to_owned()
    }
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(is_compatible(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR Apache-2.0) AND GPL-3.0",
        "GPL-3.0 OR MIT AND GPL-3.0",
        "GPL-2.0 WITH Classpath-exception-2.0",
        "MIT GPL-3.0",
        "(MIT",
        "no licence field",
    ] {
        assert!(!is_compatible(bad), "{bad}");
    }
}

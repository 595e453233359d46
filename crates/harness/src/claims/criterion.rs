//! The claims as data: `claims.toml`, read and checked. No verdict stands in it, only what would decide one.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use record::claims::Role;
use serde::Deserialize;

use super::metric::Metric;

/// The claims of this build.
const CLAIMS_TOML: &str = include_str!("claims.toml");

/// Every claim.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Book {
    /// Title and author of each text, by its letter.
    pub(super) sources: BTreeMap<String, String>,
    /// Names for sets of models; a criterion says `@name`.
    groups: BTreeMap<String, Vec<String>>,
    /// In the order of the sources' list.
    #[serde(rename = "claim")]
    pub(super) claims: Vec<Claim>,
}

/// One claim and its criteria.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    pub(super) id: String,
    /// In our own words.
    #[serde(rename = "claim")]
    pub(super) statement: String,
    /// Letters of the texts that claim it.
    pub(super) source: Vec<String>,
    /// How it is checked, in words.
    pub(super) check: String,
    /// Why nothing can test it; then there is no criterion.
    pub(super) untestable: Option<String>,
    /// What a reader must know beside any verdict.
    pub(super) note: Option<String>,
    /// Server CPUs without which nothing can be seen.
    #[serde(default)]
    pub(super) server_cpus: usize,
    #[serde(default, rename = "test")]
    pub(super) tests: Vec<Test>,
}

/// One demand. Of `experiment`, `lab`, `pages` and `drivers` it has exactly one, which says where its figures are from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Test {
    /// Figures of the run's trials.
    pub(super) experiment: Option<String>,
    /// With `largest`: other experiments that show what is held.
    pub(super) also: Vec<String>,
    /// Figures of this test of the laboratory.
    pub(super) lab: Option<String>,
    /// Figures of the models' pages: `server.rs` alone, or all of `server` or `client`.
    pub(super) pages: Option<String>,
    /// Figures of these database drivers.
    pub(super) drivers: Vec<String>,

    /// The experiment's variants, or the laboratory's.
    pub(super) variants: Vec<String>,
    /// Numbers of connections; empty: whatever was measured.
    pub(super) connections: Vec<u64>,
    /// Models or mechanisms; empty: all there are.
    pub(super) models: Vec<String>,
    /// Only trials with that many workers.
    pub(super) workers: Option<u64>,
    pub(super) metric: String,
    pub(super) aggregate: Aggregate,
    /// With `largest`: p99 at most so many times that of 100 connections, where as many were active.
    pub(super) within: Option<f64>,
    /// What the figure is divided by.
    pub(super) over: Option<Over>,

    pub(super) at_least: Option<f64>,
    pub(super) at_most: Option<f64>,
    /// Why this threshold.
    pub(super) why: String,
    pub(super) role: Role,
}

/// How the figures of a model become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Aggregate {
    /// None: a case for each number of connections, each the median of its trials.
    #[default]
    Each,
    /// Growth for each connection, by regression.
    Slope,
    /// The largest number of connections that was held.
    Largest,
}

/// The same figure elsewhere; what is absent is as in the test.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Over {
    pub(super) model: Option<String>,
    pub(super) variant: Option<String>,
    pub(super) connections: Option<u64>,
    pub(super) metric: Option<String>,
}

/// What an experiment of a plan is called where nothing is changed.
pub(super) const DEFAULT: &str = "default";

impl Book {
    /// The claims of this build.
    ///
    /// # Panics
    /// When `claims.toml` is not sound: a test reads it, so no built binary meets this.
    pub(super) fn embedded() -> Self {
        Self::parse(CLAIMS_TOML).expect("claims.toml is sound: a test reads it")
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut book: Self = toml::from_str(text)?;
        for claim in &mut book.claims {
            let unknown = claim.source.iter().find(|letter| !book.sources.contains_key(*letter));
            ensure!(unknown.is_none(), "claim `{}` names source {unknown:?}; add it", claim.id);
            ensure!(
                claim.untestable.is_some() != claim.tests.iter().any(|it| it.role == Role::Claim),
                "claim `{}` needs a test, or the reason why there is none",
                claim.id
            );
            for test in &mut claim.tests {
                test.expand(&book.groups).with_context(|| format!("claim `{}`", claim.id))?;
                test.check().with_context(|| format!("claim `{}`", claim.id))?;
            }
        }
        Ok(book)
    }
}

impl Test {
    fn expand(&mut self, groups: &BTreeMap<String, Vec<String>>) -> anyhow::Result<()> {
        let mut models = Vec::new();
        for name in &self.models {
            match name.strip_prefix('@') {
                None => models.push(name.clone()),
                Some(group) => models.extend_from_slice(
                    groups.get(group).with_context(|| format!("there is no group `{group}`"))?,
                ),
            }
        }
        self.models = models;
        if self.experiment.is_some() && self.variants.is_empty() {
            self.variants.push(DEFAULT.into());
        }
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        let origins = [
            self.experiment.is_some(),
            self.lab.is_some(),
            self.pages.is_some(),
            !self.drivers.is_empty(),
        ];
        ensure!(
            origins.iter().filter(|there| **there).count() == 1,
            "a test has one of `experiment`, `lab`, `pages` and `drivers`"
        );
        let page = self.pages.as_deref();
        ensure!(
            page.is_none_or(|page| ["server.rs", "server", "client"].contains(&page)),
            "there are no pages `{page:?}`; name `server.rs`, `server` or `client`"
        );
        let bounded = self.at_least.is_some() || self.at_most.is_some();
        ensure!(
            bounded != (self.role == Role::Figure),
            "a test has a bound, unless it is a figure to be seen"
        );
        ensure!(!self.why.is_empty(), "a bound has a reason; add `why`");
        if self.experiment.is_some() && self.aggregate != Aggregate::Largest {
            let over = self.over.as_ref().and_then(|over| over.metric.as_ref());
            for name in [Some(&self.metric), over].into_iter().flatten() {
                ensure!(Metric::named(name).is_some(), "there is no metric `{name}`");
            }
        }
        Ok(())
    }

    /// Whether a figure meets the demand; absent where nothing is demanded.
    pub(super) fn passes(&self, value: f64) -> Option<bool> {
        let bounds =
            [self.at_least.map(|least| value >= least), self.at_most.map(|most| value <= most)];
        bounds.into_iter().flatten().reduce(|one, other| one && other)
    }
}

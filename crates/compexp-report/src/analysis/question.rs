//! The paper's two questions, and what a run answers.

use compexp_core::score::Metric;
use compexp_run::Provenance;
use compexp_trust::stats::Estimate;
use serde::Serialize;

use super::Records;
use super::accuracy::CorrelationRow;

/// A coefficient that is smaller than this on the paper's side of 0 counts as none.
const BAND: f64 = 0.1;

/// How a verdict follows from the two coefficients, for readers.
pub const RULE: &str = "The verdict is by two numbers: the correlation r of IoU and accuracy over units, and the partial \
    correlation given the firing count (the number of examples on which a unit fires), which compares units that fire equally \
    often. Each has a 95% bootstrap interval over examples. \"replicates\": both intervals lie on the side of 0 that the paper \
    found. Otherwise \"does not replicate\": one of them leaves no room for a coefficient of 0.1 or more on that side. Otherwise \
    \"cannot be told here\".";

/// One half of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Half {
    /// Units of a network for images.
    Vision,
    /// Units of a classifier of sentence pairs.
    Nli,
}

impl Half {
    /// The half that a run repeats; none where its inputs do not tell.
    pub fn of(records: &Records) -> Option<Self> {
        match Provenance::parse(&records.explanations.config).ok()? {
            Provenance::VisionProbe(_) => Some(Self::Vision),
            Provenance::NliProbe(_) => Some(Self::Nli),
            Provenance::TextProbe(_) => None,
            // Planted units have masks, and are none of the paper's.
            Provenance::Explain(made) => {
                (made.inputs.annotations.kind == "broden" && made.inputs.masks.is_none()).then_some(Self::Vision)
            }
        }
    }

    /// The value of a quantity in the paper, by its id in [`super::paper::quantities`].
    pub(super) fn published(self, id: &str) -> Option<&'static str> {
        match (self, id) {
            (Self::Vision, "units") => Some("512"),
            (Self::Vision, "examples") => Some("22,210"),
            (Self::Vision, "pearson_length_1") => Some("about 0.13"),
            (Self::Vision, "pearson_length_10") => Some("about 0.31"),
            (Self::Nli, "units") => Some("1,024"),
            (Self::Nli, "examples") => Some("10,000"),
            (Self::Nli, "pearson_length_5") => Some("below 0"),
            _ => None,
        }
    }

    fn question(self) -> &'static str {
        match self {
            Self::Vision => "Images: is the network more accurate where better explained units fire?",
            Self::Nli => "Sentence pairs: is the classifier more accurate where better explained units fire?",
        }
    }

    fn paper(self) -> &'static str {
        match self {
            Self::Vision => {
                "The paper found that it is: IoU and accuracy correlate, with r about 0.13 for single concepts and about 0.31 \
                 for formulas of ten."
            }
            Self::Nli => "The paper found that it is less accurate there: IoU and accuracy correlate negatively.",
        }
    }

    /// The sign of the paper's correlation.
    fn sign(self) -> f64 {
        match self {
            Self::Vision => 1.0,
            Self::Nli => -1.0,
        }
    }
}

/// Whether a run finds what the paper found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// It does.
    #[serde(rename = "replicates")]
    Replicates,
    /// It finds none, or the opposite.
    #[serde(rename = "does not replicate")]
    DoesNotReplicate,
    /// It is open.
    #[serde(rename = "cannot be told here")]
    CannotBeTold,
}

impl Verdict {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replicates => "replicates",
            Self::DoesNotReplicate => "does not replicate",
            Self::CannotBeTold => "cannot be told here",
        }
    }

    /// By [`RULE`], for a correlation of this sign.
    fn new(sign: f64, found: [Option<Estimate>; 2]) -> Self {
        let interval = |estimate: Option<Estimate>| {
            let [a, b] = estimate?.interval?.map(|end| sign * end);
            Some([a.min(b), a.max(b)])
        };
        let [Some(plain), Some(partial)] = found.map(interval) else { return Self::CannotBeTold };
        match [plain, partial] {
            both if both.iter().all(|[low, _]| *low > 0.0) => Self::Replicates,
            either if either.iter().any(|[_, high]| *high < BAND) => Self::DoesNotReplicate,
            _ => Self::CannotBeTold,
        }
    }
}

/// What a run answers to the question of its half.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Whose question it is.
    pub id: Half,
    /// The question.
    pub question: &'static str,
    /// What the paper found, in a sentence.
    pub paper: &'static str,
    /// What the run finds, in a sentence.
    pub here: String,
    /// Whether that is the same.
    pub verdict: Verdict,
    /// The greatest number of literals of the formulas.
    pub length: usize,
    /// The correlation of their IoU with the accuracy where units fire.
    pub pearson: Option<Estimate>,
    /// The partial correlation given the firing count.
    pub partial: Option<Estimate>,
}

impl Answer {
    /// The answer of a run; none where it repeats neither half, was not searched by IoU as the paper's are, is of a network on
    /// random weights, has no predictions, or explains nothing.
    pub fn of(records: &Records) -> Option<Self> {
        let trained = Provenance::parse(&records.explanations.config).is_ok_and(|made| made.random_weights().is_none());
        let half = Half::of(records).filter(|_| trained && records.explanations.metric() == Metric::Iou)?;
        Self::new(half, records.correlations())
    }

    fn new(half: Half, rows: &[CorrelationRow]) -> Option<Self> {
        let (first, last) = (rows.first()?, rows.last()?);
        let (pearson, partial) = (last.iou.pearson, last.iou.given_count);
        let here = match (first.iou.pearson, pearson) {
            (Some(single), Some(found)) => {
                let start = match last.length {
                    1 => format!("Here r is {} for single concepts", text(found, "95% interval ")),
                    n => format!(
                        "Here r is {:.3} for single concepts and {} for formulas of at most {n}",
                        single.r,
                        text(found, "95% interval ")
                    ),
                };
                match partial {
                    Some(partial) => {
                        format!("{start}; among units that fire equally often it is {}.", text(partial, ""))
                    }
                    None => format!("{start}; how often units fire leaves nothing to compare."),
                }
            }
            _ => "Here fewer than three units have an IoU and an accuracy, or one of the two does not vary.".into(),
        };
        Some(Self {
            id: half,
            question: half.question(),
            paper: half.paper(),
            here,
            verdict: Verdict::new(half.sign(), [pearson, partial]),
            length: last.length,
            pearson,
            partial,
        })
    }
}

/// A coefficient, and in brackets its interval after `name`.
fn text(estimate: Estimate, name: &str) -> String {
    match estimate.interval {
        Some([low, high]) => format!("{:.3} ({name}{low:.3} to {high:.3})", estimate.r),
        None => format!("{:.3}", estimate.r),
    }
}

#[cfg(test)]
mod tests {
    use compexp_trust::stats::Association;

    use super::*;

    fn estimate([low, high]: [f64; 2]) -> Option<Estimate> {
        Some(Estimate { r: (low + high) / 2.0, interval: Some([low, high]) })
    }

    #[test]
    fn verdicts_follow_from_both_intervals() {
        use Verdict::{CannotBeTold, DoesNotReplicate, Replicates};
        for (plain, partial, expected) in [
            ([0.2, 0.4], [0.05, 0.3], Replicates),
            ([0.01, 0.05], [0.01, 0.05], Replicates),
            ([0.2, 0.4], [-0.05, 0.05], DoesNotReplicate),
            ([0.2, 0.4], [-0.3, -0.05], DoesNotReplicate),
            ([-0.4, -0.2], [0.05, 0.3], DoesNotReplicate),
            ([-0.09, 0.09], [-0.2, 0.3], DoesNotReplicate),
            ([0.01, 0.13], [-0.102, 0.016], DoesNotReplicate),
            ([0.2, 0.4], [-0.05, 0.3], CannotBeTold),
            ([-0.2, 0.4], [0.05, 0.3], CannotBeTold),
            ([0.0, 0.4], [0.05, 0.3], CannotBeTold),
        ] {
            let found = [plain, partial].map(estimate);
            assert_eq!(Verdict::new(1.0, found), expected, "{plain:?} {partial:?}");
            let turned = [plain, partial].map(|[low, high]| estimate([-high, -low]));
            assert_eq!(Verdict::new(-1.0, turned), expected, "{plain:?} {partial:?} of the other sign");
        }
        assert_eq!(Verdict::new(1.0, [estimate([0.2, 0.4]), None]), CannotBeTold);
        let certain = Some(Estimate { r: 1.0, interval: None });
        assert_eq!(Verdict::new(1.0, [certain, certain]), CannotBeTold, "no interval");
        for verdict in [Replicates, DoesNotReplicate, CannotBeTold] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
        }
    }

    #[test]
    fn answers_name_the_numbers_that_decide() {
        let row = |length, plain, partial| CorrelationRow {
            length,
            pearson: None,
            spearman: None,
            iou: Association {
                units: 9,
                pearson: estimate(plain),
                given_count: estimate(partial),
                ..Association::default()
            },
            mcc: Association::default(),
        };
        let rows = [row(1, [0.0, 0.2], [0.0, 0.1]), row(3, [-0.5, -0.3], [-0.3, -0.1])];
        let answer = Answer::new(Half::Nli, &rows).unwrap();
        let expected = "Here r is 0.100 for single concepts and -0.400 (95% interval -0.500 to -0.300) for formulas of at most 3; among units \
                        that fire equally often it is -0.200 (-0.300 to -0.100).";
        assert_eq!((&answer.here[..], answer.verdict, answer.length), (expected, Verdict::Replicates, 3));
        assert_eq!(Answer::new(Half::Vision, &rows).unwrap().verdict, Verdict::DoesNotReplicate);
        let single = Answer::new(Half::Vision, &rows[..1]).unwrap();
        assert!(
            single.here.starts_with("Here r is 0.100 (95% interval 0.000 to 0.200) for single concepts; among"),
            "{}",
            single.here
        );
        let none = CorrelationRow { iou: Association::default(), ..rows[0] };
        assert_eq!(Answer::new(Half::Vision, &[none]).unwrap().verdict, Verdict::CannotBeTold);
        assert_eq!(Answer::new(Half::Vision, &[]), None);
    }
}

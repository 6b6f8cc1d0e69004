//! The triples that may matter around one anchor, shape by shape.
//!
//! M is the anchor, B and C are the other two literals. A product like MB is short for M AND B, and `net` is the net
//! [`Worth`].

use super::super::pairs::Pairs;
use super::super::worth::{Cut, Worth};
use super::beside::{Beside, Greatest, collect};
use super::sums::{Part, reaching, reaching_unordered};
use super::tally::Tally;

/// Considers all chains around the anchor in column `anchor`. `besides` is scratch memory.
pub(super) fn around(tally: &mut Tally<'_>, anchor: usize, besides: &mut Vec<Beside>) {
    let (pairs, cut) = (tally.pairs, tally.cut());
    collect(pairs, anchor, cut.beta, besides);
    tally.work.pairs += besides.len() as u64;
    let worth = Worth::new(pairs.areas[anchor], pairs.both[anchor], pairs.gains[anchor], cut.beta);
    let (greatest, lacking) = (Greatest::of(besides), cut.needed - worth.net);
    let anchor = Anchor { pairs, column: anchor, worth, cut, lacking, besides, greatest };
    anchor.or_or(tally);
    anchor.and_not_and_not(tally);
    anchor.or_within(tally);
    anchor.or_and_not(tally);
    anchor.and_not_or(tally);
    anchor.onto(tally);
    for l in besides.iter().filter(|l| l.lower && 2.0 * l.shared.gain >= cut.needed) {
        conjunction(tally, anchor.column, l.column, besides);
    }
}

/// An anchor M with the literals beside it.
struct Anchor<'a> {
    pairs: &'a Pairs<'a>,
    column: usize,
    worth: Worth,
    cut: Cut,
    /// The worth that the other two literals must add to M.
    lacking: f64,
    besides: &'a [Beside],
    greatest: Greatest,
}

impl Anchor<'_> {
    /// The literals that may be joined to M, with the worth that this adds. Joining a literal that has no position of
    /// the unit outside of M gives no better chain.
    fn joined(&self) -> Vec<Part> {
        let joined = self.besides.iter().filter(|l| l.lower && l.adds);
        joined.map(|l| Part { column: l.column, adds: l.alone.net, overlap: l.alone.loss }).collect()
    }

    /// The literals that may be subtracted from M, with the worth that this adds. A literal that is disjoint with M
    /// changes nothing, and the shorter formula is used instead.
    fn taken(&self) -> Vec<Part> {
        let taken = self.besides.iter().filter(|l| l.meets);
        taken.map(|l| Part { column: l.column, adds: -l.shared.net, overlap: l.shared.gain }).collect()
    }

    /// (M OR B) OR C, worth net(M) + net(B without M) + net(C without M) - net(BC without M).
    fn or_or(&self, tally: &mut Tally<'_>) {
        if self.greatest.joined + self.greatest.joined_gain >= self.lacking {
            reaching_unordered(self.lacking, self.joined(), |b, c| tally.consider([self.column, b, c]));
        }
    }

    /// (M AND NOT B) AND NOT C, worth net(M) - net(MB) - net(MC) + net(MBC).
    fn and_not_and_not(&self, tally: &mut Tally<'_>) {
        if self.worth.gain >= self.cut.needed && self.greatest.taken + self.greatest.taken_loss >= self.lacking {
            reaching_unordered(self.lacking, self.taken(), |b, c| tally.consider([self.column, b, c]));
        }
    }

    /// (B OR C) AND M, worth net(MB) + net(MC) - net(MBC).
    fn or_within(&self, tally: &mut Tally<'_>) {
        let needed = self.cut.needed;
        if self.worth.gain >= needed && self.greatest.kept + self.greatest.kept_gain >= needed {
            let kept = self.besides.iter().filter(|l| l.meets && l.shared.gain > 0.0);
            let kept = kept.map(|l| Part { column: l.column, adds: l.shared.net, overlap: l.shared.loss }).collect();
            reaching_unordered(needed, kept, |b, c| tally.consider([self.column, b, c]));
        }
    }

    /// (M OR B) AND NOT C, worth net(M) + net(B without M) - net(MC) - net(BC without M).
    fn or_and_not(&self, tally: &mut Tally<'_>) {
        let most = self.greatest.joined_gain + self.greatest.taken.max(0.0);
        if 2.0 * self.worth.gain >= self.cut.needed && most >= self.lacking {
            // C may miss M, and take from B.
            let taken = |l: &Beside| Part { column: l.column, adds: -l.shared.net, overlap: l.alone.loss };
            let taken = self.besides.iter().map(taken).collect();
            reaching(self.lacking, self.joined(), taken, |b, c| tally.consider([self.column, b, c]));
        }
    }

    /// (M AND NOT B) OR C, worth net(M) - net(MB) + net(C without M) + net(MBC).
    fn and_not_or(&self, tally: &mut Tally<'_>) {
        let most = self.greatest.taken_loss + self.greatest.alone;
        if 2.0 * self.worth.gain >= self.cut.needed && most >= self.lacking {
            // C may lie within M, and put back what B took.
            let put_back = |l: &Beside| Part { column: l.column, adds: l.alone.net, overlap: l.shared.gain };
            let put_back = self.besides.iter().map(put_back).collect();
            reaching(self.lacking, self.taken(), put_back, |b, c| tally.consider([self.column, b, c]));
        }
    }

    /// (B AND C) OR M and (B AND NOT C) OR M.
    fn onto(&self, tally: &mut Tally<'_>) {
        let (pairs, anchor, lacking) = (self.pairs, self.column, self.lacking);
        if 2.0 * self.worth.gain < self.cut.needed || self.greatest.alone_gain < lacking {
            return;
        }
        let adding: Vec<&Beside> = self.besides.iter().filter(|l| l.adds && l.alone.gain >= lacking).collect();
        let mut by_loss: Vec<&Beside> = self.besides.iter().filter(|l| l.alone.loss > 0.0).collect();
        by_loss.sort_by(|a, b| b.alone.loss.total_cmp(&a.alone.loss));
        for (at, b) in adding.iter().enumerate() {
            let (all, both, gains) = (pairs.all(b.column), pairs.both(b.column), pairs.gains(b.column));
            for c in &adding[at + 1..] {
                if gains[c.column] >= lacking {
                    tally.consider([anchor, b.column, c.column]);
                }
            }
            // B without M adds too little by this much, which leaving out C must give.
            let short = lacking - b.alone.net;
            for c in by_loss.iter().take_while(|c| c.alone.loss >= short).filter(|c| c.column != b.column) {
                if Worth::new(all[c.column], both[c.column], gains[c.column], self.cut.beta).loss >= short {
                    tally.consider([anchor, b.column, c.column]);
                }
            }
        }
    }
}

/// (M AND B) AND C, (M AND B) AND NOT C and (M AND B) OR C.
fn conjunction(tally: &mut Tally<'_>, anchor: usize, b: usize, besides: &[Beside]) {
    let Cut { beta, needed, .. } = tally.cut();
    let pairs = tally.pairs;
    let (both, gains) = (pairs.both(b), pairs.gains(b));
    let of_pair = Worth::new(pairs.all(anchor)[b], both[anchor], gains[anchor], beta);
    let mut all_b = None;
    for c in besides.iter().filter(|c| c.column != b) {
        // The most that all three can gain and lose together.
        let gain = of_pair.gain.min(c.shared.gain).min(gains[c.column]);
        let loss = of_pair.loss.min(c.shared.loss);
        // What C adds beside the pair is at most its gain, and its net worth but for what they share.
        let (net_c, gain_c) = (c.shared.net + c.alone.net, c.shared.gain + c.alone.gain);
        let least_gain = (c.shared.gain + gains[c.column] - gain_c).max(0.0);
        let possible = |loss: f64| {
            let and = gain >= needed;
            let and_not = of_pair.gain >= needed && of_pair.net + loss >= needed;
            let or = of_pair.net + (net_c + loss - least_gain).min(gain_c) >= needed;
            and || and_not || or
        };
        if !possible(loss) {
            continue;
        }
        let all_b = all_b.get_or_insert_with(|| pairs.all(b));
        let of_b = Worth::new(all_b[c.column], both[c.column], gains[c.column], beta);
        if possible(loss.min(of_b.loss)) {
            tally.consider([anchor, b, c.column]);
        }
    }
}

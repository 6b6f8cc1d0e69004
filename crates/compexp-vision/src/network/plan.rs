//! From steps to what is run: batch norms, residuals and ReLUs become parts of the convolution before them, except where a
//! layer lies between.

use super::Network;
use super::step::Op;

/// A step that is run, with those after it that are a part of it.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) step: usize,
    /// The last step that is a part of it: the result is the value of this one.
    pub(super) end: usize,
    /// The step whose value is added.
    pub(super) residual: Option<usize>,
    pub(super) relu: bool,
    /// The values that no later action reads.
    pub(super) last_used: Vec<usize>,
}

/// The actions, where the values of the `tapped` steps are wanted beside the last one.
pub(super) fn actions(network: &Network, tapped: &[usize]) -> Vec<Action> {
    let steps = &network.steps;
    // The step after this one, if it can become a part of it.
    let next = |step: usize| network.only_reader(step).filter(|_| !tapped.contains(&step));
    let mut part_of_another = vec![false; steps.len()];
    let mut all: Vec<Action> = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        if part_of_another[i] || matches!(step.op, Op::Image) {
            continue;
        }
        let mut action = Action { step: i, end: i, residual: None, relu: false, last_used: Vec::new() };
        let mut take = |action: &mut Action, part: usize| {
            part_of_another[part] = true;
            action.end = part;
        };
        let is_conv = matches!(step.op, Op::Conv { .. });
        // The norm is in the convolution's weights, even where the convolution is tapped: its value is computed apart.
        if let Some(norm) = network.folded_norm(i) {
            take(&mut action, norm);
        }
        if is_conv
            && let Some(add) = next(action.end).filter(|&add| matches!(steps[add].op, Op::Add))
            && let Some(&other) = steps[add].inputs.iter().find(|&&input| input < i)
        {
            action.residual = Some(other);
            take(&mut action, add);
        }
        if (is_conv || matches!(step.op, Op::Norm { .. }))
            && let Some(relu) = next(action.end).filter(|&relu| matches!(steps[relu].op, Op::Relu))
        {
            action.relu = true;
            take(&mut action, relu);
        }
        all.push(action);
    }
    let mut read_later = vec![false; steps.len()];
    for action in all.iter_mut().rev() {
        let inputs = steps[action.step].inputs.iter().copied().chain(action.residual);
        for input in inputs {
            if !std::mem::replace(&mut read_later[input], true) {
                action.last_used.push(input);
            }
        }
    }
    all
}

//! The page of what follows from explanations: accuracy without units, and predictions of changed inputs. A report has it
//! where the run has either.

use maud::html;

use super::{Place, Site, ablation, trials};

/// The page of a run's ablation and counterfactuals.
pub(crate) fn page(site: &Site<'_>) -> String {
    let material = site.material;
    let body = html! {
        h1 { "Behaviour" }
        p.lead { "What explanations are good for: what the model loses without units, and whether a change that \
                  turns a formula changes what the model says." }
        (ablation::sections(site))
        @if let Some(record) = &material.counterfactuals { (trials::section(material, record)) }
    };
    site.page(Place::Behaviour, "Behaviour", body)
}

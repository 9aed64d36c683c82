//! Power cuts while cells are copied, reference cells scored, or components computed.

use std::path::Path;
use std::sync::Arc;

use gigamapper_core::error::{Error, Result};
use gigamapper_core::pipeline::{
    JointRequest, PresenceRequest, RechunkRequest, joint_with, presence_with, rechunk_with,
};
use gigamapper_core::progress::Progress;
use gigamapper_core::store::Vfs;

use super::super::sample::{Place, quick, sample};
use super::super::{joint, presence, rechunk};
use super::look::{Whole, look_at_store};
use super::state::State;
use super::stores::{STORE, ended};
use super::{Scenario, folder, record};

/// A verb that writes the store below a folder, or goes on with it.
type Verb<'a> = &'a dyn Fn(Arc<dyn Vfs>, &Path, bool) -> Result<()>;

fn cut_anywhere(name: &str, verb: Verb) {
    let undisturbed = folder();
    verb(quick().vfs, undisturbed.path(), false).unwrap();
    let whole = Whole::of(&State::of(undisturbed.path()), STORE);
    Scenario {
        name,
        base: State::default(),
        log: record(&State::default(), |vfs, root| verb(vfs, root, false).unwrap()),
        look: &|model, state| look_at_store(model, state, STORE, &[&whole]),
        resume: &|root| match verb(quick().vfs, root, true) {
            Err(Error::NotFound { .. }) => verb(quick().vfs, root, false).unwrap(),
            ended => ended.unwrap(),
        },
        ended: &|state| ended(state, &whole),
    }
    .explore();
}

fn output(root: &Path) -> String {
    root.join(STORE).to_str().unwrap().into()
}

#[test]
fn a_copy_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let request = rechunk::request(&place, &sample(&place, "original", 80));
    cut_anywhere("copy", &|vfs, root, resume| {
        let request = RechunkRequest { output: Some(output(root)), resume: Some(resume), ..request.clone() };
        rechunk_with(&request, &Progress::silent(), vfs).map(drop)
    });
}

#[test]
fn presence_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let request = presence::mapped_sample(&place);
    cut_anywhere("presence", &|vfs, root, resume| {
        let request = PresenceRequest { output: Some(output(root)), resume: Some(resume), ..request.clone() };
        presence_with(&request, &Progress::silent(), vfs, Some(2)).map(drop)
    });
}

#[test]
fn components_survive_a_power_cut_anywhere() {
    let place = Place::new();
    let request = joint::request(&place, &joint::cells(&place, "query", 40, 1, joint::Form::Rows), None);
    for solver in ["gram", "passes"] {
        cut_anywhere(&format!("components by {solver}"), &|vfs, root, resume| {
            let solver = Some(solver.into());
            let request = JointRequest { output: Some(output(root)), solver, resume: Some(resume), ..request.clone() };
            joint_with(&request, &Progress::silent(), vfs).map(drop)
        });
    }
}

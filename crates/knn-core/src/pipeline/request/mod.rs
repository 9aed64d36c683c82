//! What callers ask for, and the same with every default filled in. Defaults and checks of options live here and nowhere else.
//!
//! A request is data: it touches no array. What only the size of the reference decides (the method that `auto` takes, the number
//! of lists) stays open in [`Resolved`] until a plan knows it.

mod layout;
mod values;
mod backend;
mod map;
mod labels;
mod parameters;
mod search;
mod index;
mod weighing;
mod joint;
mod computed;
mod other_graphs;
mod resolved;
mod sides;
mod resolve;
mod neighbors;
mod transfer;
mod diffuse;
mod evaluate;
mod presence;
mod rechunk;
mod text;

pub use backend::AskedBackend;
pub(super) use computed::Computed;
pub use diffuse::DiffuseRequest;
pub use evaluate::{EvaluateRequest, ExpressionKeys, LabelKeys, ResolvedEvaluation};
pub(super) use index::{BRIEF, THOROUGH};
pub use index::{IndexParameters, IndexRequest, ResolvedIndex};
pub(super) use joint::key as joint_key;
pub use joint::{JointRequest, ResolvedJoint};
pub(super) use labels::DEFAULT_THRESHOLD;
pub use labels::{LabelParameters, LearntDistance};
pub use layout::{DEFAULT_LAYOUT, LayoutRequest};
pub use map::MapRequest;
pub use neighbors::NeighborsRequest;
pub use other_graphs::OtherGraph;
pub use parameters::{DiffusionParameters, IvfParameters, Parameters};
pub use presence::{PresenceRequest, ResolvedPresence};
pub use rechunk::{RechunkRequest, ResolvedRechunk};
pub use resolved::{Representation, Resolved};
pub use search::Search;
pub(super) use sides::bundled_cells;
pub use text::read_request;
pub use transfer::TransferRequest;
pub(super) use values::same_place;

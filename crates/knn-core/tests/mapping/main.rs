//! From store to store: what a whole run gives, whatever it is given and however it is disturbed.
//!
//! One binary of several modules, because every test binary links the core anew, and with link-time optimisation that takes
//! longer than the tests.

mod agreement;
mod append;
mod backends;
mod batches;
mod bundle;
mod cells;
mod chosen;
mod clean;
mod clusters;
mod compact;
mod crash;
mod devices;
mod differences;
mod diffusion;
mod disk;
mod edges;
mod evaluate;
mod evaluated_golden;
mod diffuse;
mod generated;
mod gmx;
mod expression;
mod golden;
mod graph;
mod holder;
mod interruption;
mod invariance;
mod ivf;
mod ivf_interruption;
mod ivf_refusals;
mod joint;
mod kept_graph;
mod labels;
mod levels;
mod list_order;
mod kernels;
mod many;
mod mapped;
mod metrics;
mod npy;
mod other_graphs;
mod passing;
mod presence;
mod rechunk;
mod refusals;
mod repair;
mod represented;
mod sample;
mod search;
mod space;
mod transfer;
mod verify;
mod zarr;

//! Every speed in one process and one run, in processor time: see `README.md`.

mod cpu;
mod exchange;
mod notes;
mod orders;
mod peer;
mod simulator;
mod yardstick;

use cpu::CpuTime;
use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().with_measurement(CpuTime).configure_from_args();
    yardstick::heap(&mut criterion);
    orders::hot(&mut criterion);
    orders::cold(&mut criterion);
    exchange::events(&mut criterion);
    simulator::lives(&mut criterion);
    simulator::schedules(&mut criterion);
    criterion.final_summary();
}

//! Events.
//!
//! Contract: an event is the moment at which it was recorded; all work before it is done then.

use std::time::Instant;

use super::pointer::Out;
use super::state::{Handle, driver, run, unknown};

fn wait(event: Handle) -> u32 {
    run(|state| {
        state.events.get(&event).ok_or_else(|| unknown("event"))?;
        let device = state.current()?.device;
        state.devices[device].check()
    })
}

driver! {
    fn cuEventCreate(event: Out<Handle>, _flags: u32) {
        run(|state| {
            state.current()?;
            let handle = state.handle();
            state.events.insert(handle, None);
            event.set(handle)
        })
    }

    fn cuEventRecord(event: Handle, stream: Handle) {
        run(|state| {
            state.stream(stream)?;
            *state.events.get_mut(&event).ok_or_else(|| unknown("event"))? = Some(Instant::now());
            let device = state.current()?.device;
            state.devices[device].check()
        })
    }

    fn cuEventQuery(event: Handle) {
        wait(event)
    }

    fn cuEventSynchronize(event: Handle) {
        wait(event)
    }

    fn cuEventElapsedTime(milliseconds: Out<f32>, start: Handle, end: Handle) {
        run(|state| {
            let recorded = |event: Handle| state.events.get(&event).copied().flatten().ok_or_else(|| unknown("event"));
            let (start, end) = (recorded(start)?, recorded(end)?);
            // The difference may be negative.
            let between = |a: Instant, b: Instant| b.saturating_duration_since(a).as_secs_f32() * 1e3;
            milliseconds.set(between(start, end) - between(end, start))
        })
    }

    fn cuEventDestroy_v2(event: Handle) {
        run(|state| state.events.remove(&event).map(drop).ok_or_else(|| unknown("event")))
    }
}

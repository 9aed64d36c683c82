//! What lanes of four registers of 128 bits have in common: how four i32 of a register are picked by a mask.

/// For each mask of four lanes, the bytes of its lanes one after the other; behind them bytes of the first lane.
pub(super) static PICKED: [[u8; 16]; 16] = picked();

const fn picked() -> [[u8; 16]; 16] {
    let mut picked = [[0; 16]; 16];
    let mut mask = 0;
    while mask < 16 {
        let (mut lane, mut place) = (0, 0);
        while lane < 4 {
            if (mask >> lane) & 1 == 1 {
                let mut byte = 0;
                while byte < 4 {
                    picked[mask][place] = 4 * lane + byte;
                    place += 1;
                    byte += 1;
                }
            }
            lane += 1;
        }
        mask += 1;
    }
    picked
}

//! Floor 8: wires everything, starts and stops it, and is what the host holds.

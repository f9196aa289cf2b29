if false { discard;
} elsif true { stop;
} else { discard;
} discard;

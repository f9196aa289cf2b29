if not true { discard;
} if not not true { stop;
} discard;

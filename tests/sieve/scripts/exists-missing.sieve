if exists ["from","x-nope"] { discard;
}

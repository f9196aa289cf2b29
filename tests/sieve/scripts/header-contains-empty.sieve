if header :contains ["x-empty","x-a"] "" { discard;
}

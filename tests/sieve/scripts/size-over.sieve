if size :over 250 { discard;
}

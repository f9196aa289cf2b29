keep { stop;
}

if size 5 {}

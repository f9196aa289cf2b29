if header :foo "a" "b" { }

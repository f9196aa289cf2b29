if header :comparator "i;nope" "a" "b" {}

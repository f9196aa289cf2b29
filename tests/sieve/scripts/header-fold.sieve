if header :is "subject" "spaces   inside  folded line" { discard;
}

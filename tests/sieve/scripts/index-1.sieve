require ["index"];
if header :index 1 "x-a" "one" { discard;
}

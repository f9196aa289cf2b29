require ["index"];
if header :index 2 "x-a" "two" { discard;
}

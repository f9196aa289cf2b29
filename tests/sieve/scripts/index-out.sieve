require ["index"];
if header :index 9 :contains "x-a" "" { discard;
}

require ["editheader"];
deleteheader :contains "x-a" "t";
if header :contains "x-a" "t" { discard;
}

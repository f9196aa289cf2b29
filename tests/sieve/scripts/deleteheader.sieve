require ["editheader"];
deleteheader "x-a";
if exists "x-a" { discard;
}

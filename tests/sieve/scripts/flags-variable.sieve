require ["imap4flags","variables","fileinto"];
setflag "v" ["x","y"];
addflag "v" "z";
removeflag "v" "x";
fileinto :flags "${v}" "F";
if hasflag "v" "z" { keep;
}

require ["imap4flags"];
setflag "\\Flagged";
addflag ["a","b","A"];
removeflag "b";

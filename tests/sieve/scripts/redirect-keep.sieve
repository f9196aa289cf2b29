redirect "c@d.org";
redirect "e@f.org";
keep;

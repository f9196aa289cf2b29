redirect "Carl <c@d.org>";

require ["vacation"];
vacation :days 3 :subject "Gone" :from "bob@example.org" :handle "h" "gone";

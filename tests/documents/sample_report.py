# ruff: noqa: E501
"""The words of the sample report. The network, its people and its figures are made up for this project."""

TITLE = "Riverside Community Health Network: Annual Report 2025"
ORGANIZATION = "Riverside Community Health Network"
SUBTITLE = "A year of shorter waits, a new clinic and more care on the road"

CLINICS = [
    ["Clinic", "Visits 2024", "Visits 2025", "Wait 2025 (days)"],
    ["Riverside Central", "52,830", "46,210", "12.1"],
    ["Harbor", "33,110", "31,480", "10.8"],
    ["Mill Street", "not open", "14,920", "8.3"],
    ["Fenwick", "23,600", "22,350", "13.6"],
    ["Oak Hill", "22,480", "21,870", "11.2"],
    ["Northgate", "19,870", "20,140", "11.9"],
    ["Weston", "18,240", "18,960", "12.4"],
    ["Cedar Falls", "14,650", "15,310", "10.4"],
    ["Lakeview", "12,610", "13,420", "9.7"],
    ["All clinics", "197,390", "204,660", "11.4"],
]

STAFF = [
    ["Group", "2024", "2025"],
    ["Physicians", "58", "61"],
    ["Nurse practitioners and physician assistants", "47", "52"],
    ["Nurses", "121", "127"],
    ["Counselors", "5", "8"],
    ["Medical assistants", "74", "78"],
    ["Pharmacists", "11", "12"],
    ["Administration and support", "73", "74"],
    ["Total", "389", "412"],
]

MONEY = [
    ["Million dollars", "2024", "2025"],
    ["Patient fees and insurance", "27.6", "29.4"],
    ["Public grants", "11.5", "12.3"],
    ["County contract", "3.9", "4.2"],
    ["Donations", "1.5", "1.9"],
    ["Other income", "0.7", "0.8"],
    ["Total revenue", "45.2", "48.6"],
    ["Staff", "30.2", "31.8"],
    ["Medicines and supplies", "6.0", "6.4"],
    ["Buildings and energy", "4.3", "4.1"],
    ["Mobile clinics", "1.1", "1.7"],
    ["Information technology", "1.8", "1.9"],
    ["Other expenses", "1.2", "1.2"],
    ["Total expenses", "44.6", "47.1"],
    ["Surplus", "0.6", "1.5"],
]

WAITS = [("2021", 21.3), ("2022", 19.6), ("2023", 18.2), ("2024", 16.8), ("2025", 11.4)]

# (kind, text): h1, h2, p, li, note (to the paragraph before), table, chart, caption, break
REPORT: list[tuple[str, object]] = [
    ("h1", "A word from the director"),
    (
        "p",
        "In 2025 the Riverside Community Health Network cared for 61,480 people, more than in any year since it "
        "was founded in 1987. One in four residents of Alder County is now a patient of one of our nine clinics "
        "or three mobile units.",
    ),
    (
        "p",
        "When I took this office in 2022, the complaint I heard most often was about waiting. A routine "
        "appointment took more than three weeks to get. This year the average wait fell to 11.4 days, from 16.8 "
        "days the year before. We are not yet where we want to be, but patients tell us that they notice the "
        "difference.",
    ),
    (
        "p",
        "The year was not without trouble. On September 16 a storage system failed and our appointment book was "
        "out of reach for two days. No patient data was lost, but 1,140 appointments had to be moved. The chapter "
        "on digital services explains what happened and what has changed since.",
    ),
    (
        "p",
        "I thank our 412 colleagues, our 230 volunteers and the 3,900 people who gave money. The pages that "
        "follow show what their work has done, and where we fell short.",
    ),
    ("p", "Dr. Maren Oduya, Director"),
    ("h1", "The year in brief"),
    ("p", "Four things shaped the year. Each of them is described in a chapter of its own."),
    (
        "li",
        "The Mill Street clinic opened on March 3, 2025. It has 14 examination rooms and cost $3.8 million.",
    ),
    (
        "li",
        "A third mobile clinic went on the road on May 12 and reached 27 villages by the end of the year.",
    ),
    ("li", "The average wait for a routine appointment fell by 32 percent, to 11.4 days."),
    (
        "li",
        "Revenue rose by 7.5 percent to $48.6 million, and the year closed with a surplus of $1.5 million.",
    ),
    (
        "p",
        "In all, our staff recorded 214,300 visits, 5.3 percent more than in 2024. Of these, 204,660 took place in "
        "the clinics and 9,640 in the mobile units.",
    ),
    ("h1", "The people we serve"),
    (
        "p",
        "Alder County has 246,000 residents and covers 2,140 square miles, most of it farmland and forest. About "
        "40 percent of our patients live more than ten miles from the nearest hospital. For them a clinic in the "
        "neighborhood is often the only place to see a doctor without losing a day of work.",
    ),
    (
        "p",
        "Of the 61,480 people we cared for in 2025, 18 percent had no health insurance at any time during the "
        "year. Nobody was turned away because of money: the sliding fee scale lowered or dropped the bill for "
        "13,260 patients.",
    ),
    (
        "note",
        "The sliding fee scale is set each year by the board and follows the federal poverty guidelines. It "
        "covers medical, dental and counseling visits.",
    ),
    (
        "p",
        "Patients spoke 41 different languages at home. Interpreters worked in 14 of them, in person or by video, "
        "during 21,400 visits. Spanish, Vietnamese and Arabic were asked for most often. In June the network "
        "stopped using family members as interpreters for medical talks, except when a patient asks for it.",
    ),
    (
        "p",
        "The average age of our patients is 43 years. The fastest growing group is people over 75, whose number "
        "rose by 9 percent. They come more often and stay longer, which the staffing plan for 2026 takes into "
        "account.",
    ),
    ("h1", "Primary care"),
    ("h2", "Shorter waits"),
    (
        "p",
        "Three changes brought the wait down. First, every clinic now keeps 30 percent of its appointments open "
        "until the day before. Second, nurses answer 40 percent of the calls that used to end in an appointment. "
        "Third, the Mill Street clinic took pressure off Riverside Central and Harbor.",
    ),
    ("chart", WAITS),
    ("caption", "Figure 1: Average wait for a routine appointment, in days, 2021 to 2025."),
    (
        "p",
        "The gain is not even. Patients at Mill Street waited 8.3 days on average, while those at Fenwick waited "
        "13.6 days. Fenwick lost two physicians in the spring and could not replace the second one until November.",
    ),
    (
        "p",
        "People who cannot wait may come to the walk-in hours, which all nine clinics have offered since April. "
        "Some 26,300 visits took place in walk-in hours. Nine out of ten of these patients were seen within 45 "
        "minutes.",
    ),
    ("h2", "Visits by clinic"),
    (
        "p",
        "The table shows visits and waits for each clinic. Visits at Riverside Central fell by 12.5 percent "
        "because many of its patients moved to Mill Street, which is closer to the new housing on the east bank.",
    ),
    ("table", CLINICS),
    ("caption", "Table 1: Visits by clinic in 2024 and 2025, and the average wait in 2025."),
    ("h2", "Chronic illness"),
    (
        "p",
        "High blood pressure and diabetes remain the two most common diagnoses. At the end of the year 71.8 "
        "percent of patients with high blood pressure had it under control, compared with 66.3 percent a year "
        "earlier. The national average for community clinics is about 65 percent.",
    ),
    (
        "p",
        "The improvement follows the home monitor program, which started in February with 1,200 blood pressure "
        "cuffs paid for by the Ellery Foundation. Patients measure at home and a nurse calls when a reading is too "
        "high. Of those who took part for at least six months, 79 percent reached their goal.",
    ),
    (
        "p",
        "For diabetes the picture is mixed. More patients had their yearly eye examination, 58 percent instead of "
        "51 percent. But the share with poorly controlled blood sugar stayed at 22 percent, the same as in 2024. "
        "The medical board has asked for a new plan by March 2026.",
    ),
    ("h1", "The Mill Street clinic"),
    (
        "p",
        "The Mill Street clinic is the first building the network has built since 2009. The city of Riverside gave "
        "the land, a former bus depot, for a symbolic price of one dollar. Construction took 14 months and ended "
        "three weeks early.",
    ),
    (
        "p",
        "The building cost $3.8 million, of which $2.1 million came from the federal health center fund and $900,000 "
        "from the state. Donors gave the remaining $800,000. The largest single gift, $250,000, came from the "
        "Castellano family in memory of Rosa Castellano, who was a nurse at Riverside Central for 31 years.",
    ),
    (
        "p",
        "The clinic has 14 examination rooms, a small laboratory and a pharmacy that stays open until eight in the "
        "evening. A playroom separates waiting children from sick adults. By December the clinic had registered "
        "6,870 patients, 2,400 of whom had never been to one of our clinics before.",
    ),
    ("h1", "Care on the road"),
    (
        "p",
        "Our mobile clinics are buses with two examination rooms each. They bring checkups, vaccinations, blood tests "
        "and dental screenings to villages that have no doctor. With the third bus, bought for $410,000, the number "
        "of visits rose by 55 percent, from 6,210 to 9,640.",
    ),
    (
        "p",
        "The buses made 118 regular stops in 27 villages. Most stops take place on the same weekday each month, so "
        "that people can plan for them. Stops at the four farm camps in the north were moved to the evening after "
        "workers told us that they could not leave the fields by day.",
    ),
    (
        "p",
        "The service is dear: a visit on the road costs $176, a visit in a clinic $148. The board looked at this in "
        "October and decided to go on, because 37 percent of the people seen on the buses had not seen a doctor "
        "for two years or more. Helena Kovacs, our chief nurse, leads the program.",
    ),
    (
        "note",
        "Costs per visit include fuel, leases and a share of administration; they leave out the purchase of the "
        "buses, which is written off over ten years.",
    ),
    ("h1", "Mental health"),
    (
        "p",
        "The need for counseling keeps growing. In 2025 the network employed eight counselors, three more than the "
        "year before, and they held 6,920 sessions. The wait for a first session went down from 34 to 19 days.",
    ),
    (
        "p",
        "Since August every clinic screens adults for depression once a year. Of the 24,500 people who answered the "
        "questions, 11 percent showed signs of depression, and two thirds of these accepted an offer of help. A "
        "counselor can now join a medical visit by video within minutes, which happened 830 times.",
    ),
    (
        "p",
        "For young people the network runs a program together with the Alder County schools. Counselors are present "
        "in six middle schools and two high schools, one day a week each. The schools asked for twice as many days; "
        "the money for this has not been found yet.",
    ),
    ("h1", "Children and families"),
    (
        "p",
        "Our clinics vaccinated 12,870 children. Coverage against measles among two-year-olds rose from 89.7 percent "
        "to 94.1 percent, just short of the 95 percent that protects the whole community. An outbreak in the "
        "neighboring Tolland County in January, with 46 cases, persuaded many hesitant parents.",
    ),
    (
        "p",
        "The network attended to 1,310 pregnancies. The share of women who had their first visit in the first three "
        "months rose to 83 percent. Seven percent of babies were born before the 37th week, compared with 8.4 percent "
        "in the county as a whole.",
    ),
    (
        "p",
        "The reading corner, in which pediatricians hand out a book at every checkup, turned ten this year. "
        "Volunteers gave away 9,200 books in 2025, among them 1,900 in Spanish.",
    ),
    ("h1", "Our staff"),
    (
        "p",
        "At the end of the year 412 people worked for the network, 23 more than a year earlier. Turnover fell from 19 "
        "to 14 percent. Exit interviews suggest that the new schedule, which gives everybody two fixed free weekdays "
        "a month, had more effect than the pay rise of 3.5 percent.",
    ),
    ("table", STAFF),
    ("caption", "Table 2: Staff at the end of the year, by group."),
    (
        "p",
        "Nurses remain hard to find. On average a nursing position stayed empty for 71 days. To train its own, the "
        "network pays the fees of 16 medical assistants who study nursing at Alder State University; the first five "
        "will finish in May 2026.",
    ),
    (
        "p",
        "In the yearly staff survey, 78 percent said that they would recommend the network as a place to work, up from "
        "69 percent. The lowest marks went to the computer systems, and that was before the outage in September.",
    ),
    ("h1", "Quality and safety"),
    (
        "p",
        "Patients rated their care 4.6 out of 5 in 7,312 survey answers. They were happiest with the nurses and least "
        "happy with parking, where only the Lakeview clinic scored above 4.",
    ),
    (
        "p",
        "Staff reported 318 incidents, 12 percent more than in 2024. We read this as a good sign: 84 percent of the "
        "reports described mistakes that were caught before they reached a patient. Five incidents caused harm that "
        "needed treatment, the same number as the year before. Each of the five was discussed with the patients and "
        "their families.",
    ),
    (
        "p",
        "Two of these incidents involved the wrong dose of a blood thinner. Since July a pharmacist checks every first "
        "prescription of such drugs, and no further case has been reported.",
    ),
    (
        "p",
        "The state inspected four clinics and found one fault, a broken temperature log on a vaccine refrigerator in "
        "Weston. It was repaired within a day, and 64 doses of vaccine were thrown away as a precaution.",
    ),
    ("h1", "Digital services"),
    (
        "p",
        "Some 38,200 patients now have an account on the patient portal, 62 percent of all patients. They used it to "
        "book 71,000 appointments and to ask for 48,300 prescription refills.",
    ),
    (
        "p",
        "On Tuesday, September 16, at 6:40 in the morning, the main storage system failed during a software update. The "
        "standby system did not take over because its license had expired in August. Clinics worked on paper for two "
        "days, and 1,140 appointments had to be moved. Service returned on September 18. No patient data was lost and "
        "none was seen by anyone who should not see it.",
    ),
    (
        "p",
        "An outside review by Larkin & Shaw, completed in November, found that the standby system had not been tested "
        "for 17 months. The network has since tested it twice, in October and December, and will do so every quarter. "
        "Updates are now made on Saturday evenings. The outage cost about $290,000 in lost visits and repairs.",
    ),
    ("h1", "Buildings and energy"),
    (
        "p",
        "In May a solar roof of 212 kilowatts was switched on at the Harbor clinic. It lowers the electricity that the "
        "clinic buys by 31 percent and saves about $146,000 a year. The roof cost $620,000; a state program paid half.",
    ),
    (
        "p",
        "Heat pumps replaced the gas boilers in Cedar Falls and Oak Hill. Together with better controls this cut the "
        "network's spending on buildings and energy by $200,000, in spite of the additional clinic. Emissions from "
        "heating and electricity fell by 14 percent.",
    ),
    ("h1", "Finances"),
    (
        "p",
        "Revenue came to $48.6 million and expenses to $47.1 million. The surplus of $1.5 million, or 3.1 percent of "
        "revenue, is the largest since 2018. The board has set aside $1.0 million of it for the dental clinic in "
        "Fenwick and put the rest into the reserve.",
    ),
    ("table", MONEY),
    ("caption", "Table 3: Revenue and expenses in millions of dollars."),
    (
        "p",
        "Public grants grew by $800,000, mostly for the Mill Street clinic and the third bus. The contract with Alder "
        "County runs until the end of 2027. Donations rose to $1.9 million, helped by the campaign for Mill Street; "
        "without it they would have stayed flat.",
    ),
    (
        "p",
        "The reserve now covers 74 days of expenses. The goal is 90 days by 2028. Priya Raman, our chief financial "
        "officer, warns that about a quarter of the federal grants come up for renewal in September 2026, and that no "
        "decision is expected before July.",
    ),
    (
        "note",
        "The accounts were audited by Dunmore and Partners, who gave an opinion without reservations on February "
        "20, 2026.",
    ),
    ("h1", "Plans for 2026"),
    ("p", "The board approved five goals for the coming year in its meeting of December 9."),
    (
        "li",
        "Bring the average wait for a routine appointment down to 9 days, and to no more than 11 days in any clinic.",
    ),
    ("li", "Open a dental clinic with six chairs in Fenwick in October 2026, at a cost of $2.6 million."),
    ("li", "Hire 24 more people, ten of them nurses and four of them counselors."),
    ("li", "Lower the share of diabetes patients with poorly controlled blood sugar from 22 to 18 percent."),
    ("li", "Test the standby computer systems every quarter and publish the results."),
    (
        "p",
        "In addition the network will take part in a study by Alder State University on care by telephone. It begins in "
        "March 2026, runs for two years and will follow 2,000 patients with heart failure.",
    ),
    (
        "p",
        "Two worries remain. Federal support may shrink, and the lease of the Northgate clinic ends in June 2027. "
        "Thomas Bellweather, who chairs the board, expects a decision on a new site for Northgate by the summer.",
    ),
    ("h1", "About this report"),
    (
        "p",
        "This report covers January 1 to December 31, 2025. A visit is any meeting of a patient with a licensed member "
        "of the staff, in person or by video. The wait is the number of days between the call and the third next free "
        "appointment, averaged over all working days.",
    ),
    (
        "p",
        "Questions about the report may be sent to the network's office at 200 Mill Street, Riverside. Printed copies "
        "are free and are available in English, Spanish, Vietnamese and Arabic.",
    ),
]
